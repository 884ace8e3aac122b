"""Examples that pay most often: the number of a data set's pruned models each is a PIE of."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from prunescope.analysis.csv_text import write_csv
from prunescope.analysis.stats import mean
from prunescope.report import contact_sheet, page
from prunescope.report.audit_files import Pie
from prunescope.report.contact_sheet import MOST, Tile
from prunescope.report.images import ImageTable
from prunescope.report.sentences import count
from prunescope.site.findings import CellNumbers

#: With a single model there is nothing to count: its own page has the sheet.
FEWEST_MODELS = 2

COLUMNS = (
    "example",
    "label",
    "n_networks",
    "of_networks",
    "n_pruners",
    "of_pruners",
    "dense_vote",
    "pruned_vote",
    "dense_agreement",
    "pruned_agreement",
)


@dataclass(frozen=True)
class Paid:
    """One example: the number of models and pruners it is a PIE of.

    ``pie``: its votes are the pair that is most frequent among those models, its agreements the means
    over them.
    """

    pie: Pie
    n_models: int
    n_pruners: int


@dataclass
class Tally:
    """PIEs over the pruned models of one data set; every (arch, pruner, compression level) counts as one model."""

    dataset: str
    n_models: int = 0
    n_examples: int = 0
    pruners: set[str] = field(default_factory=set)
    _found: dict[int, list[tuple[str, Pie]]] = field(default_factory=dict)

    def add(self, cell: CellNumbers, pies: Sequence[Pie]) -> None:
        """Count every PIE of one cell."""
        self.n_models += 1
        self.n_examples = max(self.n_examples, int(cell.summary.get("n_examples") or 0))
        self.pruners.add(cell.pruner)
        for pie in pies:
            self._found.setdefault(int(pie.example), []).append((cell.pruner, pie))

    def rows(self) -> list[Paid]:
        """Examples by number of models, then of pruners, then by how much the models agree."""
        rows = [_paid(found) for found in self._found.values()]
        return sorted(
            rows,
            key=lambda row: (-row.n_models, -row.n_pruners, -_agreement(row.pie), int(row.pie.example)),
        )

    @property
    def sentences(self) -> list[str]:
        """How many examples are ever PIEs, and how often the most frequent are."""
        rows = self.rows()
        models = count(self.n_models, "pruned model")
        if not rows:
            return [f"No example of {self.dataset} is a PIE of any of its {models}."]
        most = rows[0].n_models
        first = sum(row.n_models == most for row in rows)
        everywhere = "every one of them" if most == self.n_models else f"{count(most)} of them"
        return [
            f"{count(len(rows))} of {count(self.n_examples, 'test example')} "
            f"{'is a PIE' if len(rows) == 1 else 'are PIEs'} of at least one of {models} "
            f"({count(len(self.pruners), 'pruner')}); {count(first)} "
            f"{'pays' if first == 1 else 'pay'} most often, in {everywhere}."
        ]


def _agreement(pie: Pie) -> float:
    return (pie.dense_agreement or 0.0) + (pie.pruned_agreement or 0.0)


def _paid(found: Sequence[tuple[str, Pie]]) -> Paid:
    pies = [pie for _, pie in found]
    votes = Counter((pie.dense_vote, pie.pruned_vote) for pie in pies)
    dense, pruned = min(votes, key=lambda pair: (-votes[pair], pair))
    agreements = [
        mean([share for pie in pies if (share := getattr(pie, name)) is not None])
        for name in ("dense_agreement", "pruned_agreement")
    ]
    typical = replace(
        pies[0],
        dense_vote=dense,
        pruned_vote=pruned,
        dense_agreement=agreements[0],
        pruned_agreement=agreements[1],
    )
    return Paid(typical, len(found), len({pruner for pruner, _ in found}))


def tiles(tally: Tally, images: ImageTable | None, most: int) -> list[Tile]:
    """The first ``most`` examples of the tally."""
    return [
        contact_sheet.tile(
            row.pie,
            (row.pie.dense_agreement, row.pie.pruned_agreement),
            images,
            (
                f"{count(row.n_models)} of {count(tally.n_models, 'model')}",
                f"{count(row.n_pruners)} of {count(len(tally.pruners), 'pruner')}",
            ),
        )
        for row in tally.rows()[:most]
    ]


def write(
    tally: Tally,
    images: ImageTable | None,
    folder: Path,
    *,
    where: Path,
    home: Path,
    study: str,
    navigation: Sequence[page.Link] = (),
) -> None:
    """Write a data set's page and, beside it, every example that ever pays as CSV, into ``folder``.

    Args:
        where: the page's path once ``folder`` has moved to it, from which links start.
        home: the study's page.

    Raises:
        UserError: the data table is not the one that was voted on.
    """
    rows = tally.rows()
    shown = tiles(tally, images, MOST)
    table = where.with_suffix(".csv")
    text = page.render(
        "often.html",
        title=f"Who pays most often · {tally.dataset}",
        navigation=navigation,
        dataset=tally.dataset,
        study=study,
        home=page.link(home, where),
        sentences=tally.sentences,
        tiles=shown,
        size=images.shown_size if images is not None else None,
        missing=None if images is not None else contact_sheet.missing(tally.dataset),
        shown=len(shown),
        total=len(rows),
        table=page.link(table, where),
        sheet_style=page.asset("sheet.css"),
    )
    (folder / where.name).write_text(text, encoding="utf-8")
    write_csv(
        folder / table.name,
        COLUMNS,
        [
            [
                int(row.pie.example),
                row.pie.label,
                row.n_models,
                tally.n_models,
                row.n_pruners,
                len(tally.pruners),
                row.pie.dense_vote,
                row.pie.pruned_vote,
                row.pie.dense_agreement,
                row.pie.pruned_agreement,
            ]
            for row in rows
        ],
    )


def file_name(tally: Tally) -> str:
    return f"{tally.dataset}.html"
