"""The pinned packages are those that pyproject.toml asks for, each with its hashes."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]


def pinned() -> dict[str, str]:
    text = (ROOT / "envs/requirements.lock").read_text() + (ROOT / "envs/torch.txt").read_text()
    return {
        canonicalize_name(name): version
        for name, version in re.findall(r"^([\w.-]+)==([^\s;\\]+)", text, re.M)
    }


def test_the_lock_has_what_pyproject_asks_for() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    asked = [
        *project["dependencies"],
        *(one for extra in project["optional-dependencies"].values() for one in extra),
    ]
    have = pinned()
    for line in asked:
        one = Requirement(line)
        if one.name == "prunescope":
            continue
        assert canonicalize_name(one.name) in have, f"{one.name}: not in envs/requirements.lock"
        assert one.specifier.contains(have[canonicalize_name(one.name)], prereleases=True), line


def test_every_pin_has_hashes() -> None:
    text = (ROOT / "envs/requirements.lock").read_text()
    without = [line for line in text.splitlines() if "==" in line and not line.endswith("\\")]
    assert without == []
    assert text.count("--hash=sha256:") > text.count("==")
    # pip checks them where it installs from the lock.
    assert re.search(
        r'--require-hashes -r "\$here/requirements.lock"', (ROOT / "envs/install.sh").read_text()
    )


def test_nothing_is_downloaded_without_encryption() -> None:
    """Archives of data have checksums beside their addresses (``data.settings.Distribution``)."""
    found = [
        (path.name, address)
        for path in (ROOT / "src/prunescope/data").rglob("*.py")
        for address in re.findall(r"\"http://[^\"]+", path.read_text(encoding="utf-8"))
    ]
    assert found == []
