"""Reads the pages and tables of ``paper/``, and checks what holds of every page."""

from __future__ import annotations

import csv
from html.parser import HTMLParser
from pathlib import Path

from prunescope.report.page import BAR


class Page(HTMLParser):
    """Tags that close, addresses, visible text, cells of tables with their classes, and the JSON inside."""

    VOID = frozenset({"meta", "link", "input", "img", "br"})

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.addresses: list[str] = []
        self.ids: list[str] = []
        self.text = ""
        self.json = ""
        self.rows: list[list[tuple[str, str]]] = []
        self._open: list[str] = []
        self._json = False
        self.feed(path.read_text(encoding="utf-8"))
        self.close()
        assert self._open == []
        assert len(self.ids) == len(set(self.ids))
        for address in self.addresses:
            target, _, anchor = address.partition("#")
            assert anchor in self.ids if not target and anchor else True
            # The bar leads to the study's pages, which are written later.
            if target and target != "data:," and target.lstrip("./") not in BAR.values():
                assert (path.parent / target).exists(), address

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.tags.append(tag)
        self.addresses += [values[name] or "" for name in ("href", "src") if name in values]
        self.ids += [values["id"] or ""] if "id" in values else []
        assert not any(name.startswith("on") for name in values)
        self._json = values.get("type") == "application/json"
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append((values.get("class") or "", ""))
        if tag not in self.VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID:
            assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._json and self._open[-1] == "script":
            self.json += data
        elif self._open and self._open[-1] not in ("script", "style"):
            self.text += data
            if "tr" in self._open and self.rows[-1]:
                kind, text = self.rows[-1][-1]
                self.rows[-1][-1] = (kind, (text + data).strip() if data.strip() else text)


def table(path: Path) -> list[dict[str, str]]:
    with open(path, newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))
