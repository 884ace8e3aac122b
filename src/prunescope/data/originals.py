"""Original distributions that are downloaded: where they are, and how they become a folder of files."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from prunescope.config.datasets import Aapd, Reuters
from prunescope.data import local
from prunescope.data.archives import unpack
from prunescope.data.fetch import cache_folder, fetch, locked
from prunescope.errors import UserError


@dataclass(frozen=True)
class Distribution:
    """``files``: what the loader reads of the archive. ``most_bytes``: bound on archive and files alike."""

    archive: str
    files: Collection[str]
    most_bytes: int
    urls: tuple[str, ...] = ()
    sha256: str | None = None


#: Distribution 1.0. The digest is the one that scikit-learn's out-of-core classification example pins for the
#: UCI address; the other two addresses say of themselves that they hold the same file.
REUTERS = Distribution(
    archive="reuters21578.tar.gz",
    files=tuple(f"reut2-{number:03}.sgm" for number in range(22)),
    most_bytes=1 << 28,
    urls=(
        "https://archive.ics.uci.edu/ml/machine-learning-databases/reuters21578-mld/reuters21578.tar.gz",
        "https://kdd.ics.uci.edu/databases/reuters21578/reuters21578.tar.gz",
        "http://www.daviddlewis.com/resources/testcollections/reuters21578/reuters21578.tar.gz",
    ),
    sha256="3bae43c9b14e387f76a61b6d82bf98a4fb5d3ef99ef7e7075ff2ccbcf59f9d30",
)

#: The authors give a page of Google Drive (README of github.com/lancopku/SGM), which is no stable address, and
#: no checksum: both are the user's to give.
AAPD = Distribution(
    archive="aapd-archive",
    files=tuple(f"{kind}_{part}" for kind in ("text", "label") for part in ("train", "val", "test")),
    most_bytes=1 << 31,
)


def folder_of(spec: Reuters | Aapd) -> tuple[Path, dict[str, str]]:
    """Where the files of a data set are, and the version of what was downloaded for it, if anything was.

    Raises:
        UserError: ``path`` is not there, or the download does not succeed.
    """
    if spec.path is not None:
        return local.expanded(spec.path), {}
    known = REUTERS if isinstance(spec, Reuters) else AAPD
    urls, sha256 = ((spec.url,), spec.sha256) if spec.url else (known.urls, known.sha256)
    if not urls or sha256 is None:
        raise UserError(
            f"{spec.source}: path or url: required, but neither is given; set `path` to its files, or `url` and "
            "`sha256` to an archive of them"
        )
    folder = cache_folder() / f"{spec.source}-{sha256[:12]}"
    with locked(folder):
        if not folder.is_dir():
            archive = fetch(known.archive, urls, sha256, known.most_bytes)
            unpack(archive, known.files, folder, known.most_bytes, hint=spec.source)
    return folder, {known.archive: f"SHA-256 {sha256}"}
