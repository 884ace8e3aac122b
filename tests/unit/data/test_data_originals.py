"""Original archives: downloaded, unpacked with care, and read as the data set they hold."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
import zipfile
from pathlib import Path

import pytest
from pydantic import TypeAdapter, ValidationError

from prunescope.config.datasets import Dataset
from prunescope.data import originals
from prunescope.data.archives import unpack
from prunescope.data.sources import aapd
from prunescope.data.sources.aapd import Aapd
from prunescope.data.sources.reuters import Reuters
from prunescope.errors import UserError


def tar(path: Path, files: dict[str, bytes], links: dict[str, str] | None = None) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
        for name, target in (links or {}).items():
            info = tarfile.TarInfo(name)
            info.type, info.linkname = tarfile.SYMTYPE, target
            archive.addfile(info)
    return path


def zipped(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


@pytest.mark.parametrize("make", [tar, zipped])
def test_only_what_is_wanted_is_unpacked(tmp_path: Path, make: object) -> None:
    files = {"d/a": b"one", "d/b": b"two" * 1000, "d/other": b"x", "../../outside": b"x", "d/._a": b"mac"}
    archive = make(tmp_path / "archive", files)  # type: ignore[operator]
    unpack(archive, ("a", "b"), tmp_path / "out", 10_000)
    assert {p.name: p.read_bytes() for p in (tmp_path / "out").iterdir()} == {"a": b"one", "b": b"two" * 1000}
    assert sorted(p.name for p in tmp_path.iterdir()) == ["archive", "out"]


@pytest.mark.parametrize("make", [tar, zipped])
@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"d/a": b"x"}, "holds no file 'b'"),
        ({"d/a": b"x", "../b": b"x"}, r"leads out of its folder"),
        ({"/tmp/a": b"x", "/tmp/b": b"x"}, r"leads out of its folder"),
        ({"c/a": b"x", "c/b": b"x", "d/a": b"y", "d/b": b"y"}, r"several folders hold such files \(c, d\)"),
        ({"a": b"0" * 900, "b": b"0" * 200}, "would unpack to 1,100 bytes, more than the 1,000"),
    ],
)
def test_archives_that_are_refused(tmp_path: Path, make: object, files: dict[str, bytes], said: str) -> None:
    archive = make(tmp_path / "archive", files)  # type: ignore[operator]
    with pytest.raises(UserError, match=said) as error:
        unpack(archive, ("a", "b"), tmp_path / "out", 1000)
    assert "\n" not in str(error.value)
    assert [p.name for p in tmp_path.iterdir()] == ["archive"]


def test_links_and_damage(tmp_path: Path) -> None:
    archive = tar(tmp_path / "archive", {"a": b"x"}, {"b": "/etc/hostname"})
    with pytest.raises(UserError, match="b is a link or device"):
        unpack(archive, ("a", "b"), tmp_path / "out", 1000)
    whole = tar(tmp_path / "archive", {"a": bytes(range(256)) * 50, "b": b"x"}).read_bytes()
    for content in (whole[:-40], whole[:20], b"no archive at all", b""):
        archive.write_bytes(content)
        with pytest.raises(UserError, match="fetch it again"):
            unpack(archive, ("a", "b"), tmp_path / "out", 1 << 20)
    assert [p.name for p in tmp_path.iterdir()] == ["archive"]


def test_the_hinted_folder_counts(tmp_path: Path) -> None:
    archive = zipped(tmp_path / "z", {"data/RCV1/a": b"r", "data/AAPD/a": b"a"})
    unpack(archive, ("a",), tmp_path / "out", 100, hint="aapd")
    assert (tmp_path / "out" / "a").read_bytes() == b"a"


def story(number: int, topics: list[str]) -> str:
    marks = "".join(f"<D>{topic}</D>" for topic in topics)
    letters = "".join(chr(97 + int(digit)) for digit in str(number))
    return (
        f'<REUTERS NEWID="{number}"><TOPICS>{marks}</TOPICS><TEXT><TITLE>T {letters}</TITLE>'
        f"<BODY>Body of {letters}</BODY></TEXT></REUTERS>\n"
    )


def test_reuters_from_its_archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PRUNESCOPE_CACHE", str(tmp_path / "cache"))
    files = {
        f"reut2-{part:03}.sgm": "".join(
            story(part * 10 + n, ["earn"] if n % 2 else ["acq"]) for n in range(10)
        ).encode()
        for part in range(22)
    }
    content = tar(tmp_path / "archive", files | {"README.txt": b"x", "lewis.dtd": b"x"}).read_bytes()
    sha256 = hashlib.sha256(content).hexdigest()
    asked = []

    def fetch(name: str, urls: tuple[str, ...], wanted: str, most_bytes: int) -> Path:
        asked.append((name, urls, wanted))
        return tmp_path / "archive"

    monkeypatch.setattr(originals, "fetch", fetch)
    spec = Reuters(source="reuters", url="https://example.org/r.tar.gz", sha256=sha256)
    data = spec.build("r")
    assert sum(map(len, data.tables.values())) == 220
    assert data.tables["train"].info.classes == ("acq", "earn")
    assert data.versions == {"reuters21578.tar.gz": f"SHA-256 {sha256}"}
    assert asked == [("reuters21578.tar.gz", ("https://example.org/r.tar.gz",), sha256)]
    # Unpacked once; without settings of one's own, the known addresses and checksum.
    spec.build("r")
    assert len(asked) == 1
    Reuters(source="reuters").build("r")
    assert asked[1] == ("reuters21578.tar.gz", Reuters.distribution.urls, Reuters.distribution.sha256)


def test_aapd_from_an_archive_that_the_user_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PRUNESCOPE_CACHE", str(tmp_path / "cache"))
    files = {}
    for part in ("train", "val", "test"):
        files[f"aapd/text_{part}"] = "".join(f"abstract {n}\n" for n in range(54)).encode()
        files[f"aapd/label_{part}"] = "".join(f"{name}\n" for name in aapd.CLASSES).encode()
    archive = zipped(tmp_path / "archive", files | {"rcv1/text_train": b"x\n"})
    monkeypatch.setattr(originals, "fetch", lambda *_: archive)
    data = Aapd(source="aapd", url="https://example.org/a", sha256="0" * 64).build("a")
    assert {split: len(table) for split, table in data.tables.items()} == dict.fromkeys(data.tables, 54)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"source": "aapd"}, "path: required, or `url` and `sha256`"),
        ({"source": "aapd", "url": "https://x/y"}, "sha256: `url` and `sha256` belong together"),
        ({"source": "reuters", "sha256": "0" * 64}, "url: `url` and `sha256` belong together"),
        ({"source": "reuters", "path": "a", "url": "https://x", "sha256": "0" * 64}, "`path` is given too"),
        ({"source": "reuters", "url": "file:///etc/passwd", "sha256": "0" * 64}, "url"),
        ({"source": "reuters", "url": "https://x", "sha256": "abc"}, "sha256"),
    ],
)
def test_settings_that_are_refused(settings: dict[str, str], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        TypeAdapter(Dataset).validate_python(settings)


def test_settings_without_a_download_are_written_as_before() -> None:
    """Data sets built before `url` and `sha256` existed stay as they are: their settings are the same text."""
    written = Reuters(source="reuters", path="p").model_dump(mode="json", exclude={"training"})
    assert json.dumps(written, sort_keys=True) == (
        '{"max_examples": null, "max_tokens": 256, "min_documents": 100, "path": "p", "source": "reuters"}'
    )
    given = Reuters(source="reuters", url="https://x/y", sha256="0" * 64)
    assert Reuters.model_validate_json(given.model_dump_json()) == given
