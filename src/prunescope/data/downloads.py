"""Published files, downloaded once and checked."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any
from urllib.error import URLError

from prunescope.data.vision import prepare_torchvision
from prunescope.errors import UserError


def download_folder(source: str) -> Path:
    """Where the files of a source are kept: below ``$PRUNESCOPE_CACHE``, or ``~/.cache/prunescope``."""
    cache = os.environ.get("PRUNESCOPE_CACHE") or "~/.cache/prunescope"
    return Path(cache).expanduser() / source


def fetched(source: str, name: str, urls: Sequence[str], md5: str) -> Path:
    """The file ``name`` of a source, downloaded from the first of ``urls`` that has it, if it is not there.

    torchvision does the work, shows the progress and checks the MD5.

    Raises:
        UserError: no address can be reached or has the published file, or the disk is full.
    """
    utilities = _torchvision().utils
    folder = download_folder(source)
    path = folder / name
    if utilities.check_integrity(path, md5):
        return path
    advice = "check the network, or set `path` to a local folder of the data set"
    reasons = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # A file that is cut off must not stand under the name.
        with tempfile.TemporaryDirectory(dir=folder, prefix=".download-") as temporary:
            for url in urls:
                try:
                    utilities.download_url(url, temporary, filename=name, md5=md5)
                except RuntimeError as error:
                    reasons.append(f"{url}: not the published file, its MD5 differs ({error})")
                except (URLError, ConnectionError, TimeoutError) as error:
                    reasons.append(f"{url}: {getattr(error, 'reason', error)}")
                else:
                    (Path(temporary) / name).replace(path)
                    return path
    except OSError as error:
        raise UserError(
            f"{folder}: cannot be written ({error.strerror or error}); free space there"
        ) from None
    raise UserError(f"{source}: cannot be downloaded ({'; '.join(reasons)}); {advice}")


def mirrors_of(name: str) -> list[str]:
    """The addresses that torchvision knows of one of its data sets."""
    return list(getattr(_torchvision(), name).mirrors)


def _torchvision() -> Any:
    prepare_torchvision()
    try:
        from torchvision import datasets
    except ImportError:
        raise UserError(
            "path: not given, and downloads need the package `torchvision`; install it or set `path` to a "
            "local folder of the data set"
        ) from None
    return datasets


def torchvision_version() -> dict[str, str]:
    """For the data card."""
    return {"torchvision": version("torchvision")}
