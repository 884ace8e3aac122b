"""The pages of a study and every file they lead to, as one zip."""

from __future__ import annotations

import zipfile
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

from prunescope.errors import UserError
from prunescope.files import atomic_path

#: Below the folder of the pages, these are packed whole: their scripts load files that no link names.
_WHOLE = ("report", "paper")
#: One date, so that the same pages give the same bytes.
_DATE = (1980, 1, 1, 0, 0, 0)


class _Links(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [value for name, value in attrs if name in ("href", "src") and value]


def pack(page: Path, out: Path) -> int:
    """Write ``page``, the pages it leads to and the files they link to into the zip ``out``.

    Returns:
        How many files it holds.

    Raises:
        UserError: the page is not there, or the zip cannot be written.
    """
    if not page.is_file():
        raise UserError(f"{page}: no such page; run the study")
    # Pages of what there is so far lead to cells beside their own folder.
    root = page.resolve().parent
    files = _reached(page.resolve()) | {
        file for name in _WHOLE for file in (root / name).rglob("*") if file.is_file()
    }
    common = root if all(file.is_relative_to(root) for file in files) else root.parent
    files = {file for file in files if file.is_relative_to(common) and file != out.resolve()}
    with atomic_path(out) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(files):
            entry = zipfile.ZipInfo(file.relative_to(common).as_posix(), _DATE)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, file.read_bytes())
    return len(files)


def _reached(page: Path) -> set[Path]:
    """The page and all files that can be reached from it by links."""
    seen: set[Path] = set()
    waiting = [page]
    while waiting:
        file = waiting.pop()
        if file in seen or not file.is_file():
            continue
        seen.add(file)
        if file.suffix == ".html":
            links = _Links()
            links.feed(file.read_text(encoding="utf-8"))
            targets = (unquote(link.partition("#")[0]) for link in links.found if ":" not in link)
            waiting += [(file.parent / target).resolve() for target in targets if target]
    return seen
