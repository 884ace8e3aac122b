"""Original distributions that are downloaded: how they become a folder of files."""

from __future__ import annotations

from pathlib import Path

from prunescope.data.archives import unpack
from prunescope.data.fetch import cache_folder, fetch, locked
from prunescope.data.settings import Archived
from prunescope.errors import UserError
from prunescope.files import expanded


def folder_of(spec: Archived) -> tuple[Path, dict[str, str]]:
    """Where the files of a data set are, and the version of what was downloaded for it, if anything was.

    Raises:
        UserError: ``path`` is not there, or the download does not succeed.
    """
    if spec.path is not None:
        return expanded(spec.path), {}
    known = spec.distribution
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
