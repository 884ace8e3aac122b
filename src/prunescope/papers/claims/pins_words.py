"""What the judges of the PINS paper's claims share: its data sets, and PINS against its rivals."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass

from prunescope.analysis.tables.study import Key, StudyTables
from prunescope.papers.numbers import pins

#: Two spellings of one sparsity differ by less.
_ROUNDING = 1e-6


@dataclass(frozen=True)
class Duel:
    """A method's score on one network, data set and sparsity, and the best of others'.

    ``name``: the data set in the paper's words.
    """

    key: Key
    name: str
    score: float
    rival: str
    best: float

    @property
    def lead(self) -> float:
        return self.score - self.best

    @property
    def text(self) -> str:
        return f"{self.name} ({self.key.arch}, {100 * self.key.sparsity:g}%)"


def name_of(study: StudyTables, key: Key) -> str | None:
    """The paper's name of the cell's data set; None if it has no such."""
    return pins.dataset_name(key.dataset, study.sources.get(key.dataset))


def on_the_main_network(study: StudyTables) -> StudyTables:
    """What Tables 1 and 5 are about: BERT-base; where a study does not have it, all its networks."""
    main = study.only(lambda key: pins.arch_name(key.arch) == "BERT-base")
    return main if main.cells else study


def at(*sparsities: float) -> Callable[[Key], bool]:
    return lambda key: any(abs(key.sparsity - one) < _ROUNDING for one in sparsities)


def duels(
    study: StudyTables,
    datasets: Collection[str],
    where: Callable[[Key], bool],
    method: str = pins.PINS,
    rivals: Iterable[str] = pins.RIVALS,
) -> list[Duel]:
    """Every cell of ``method`` on these data sets for which a rival was measured too."""
    found = []
    for key in study.cells:
        name, score = name_of(study, key), study.score(key)
        if key.pruner != method or name is None or name not in datasets or not where(key) or score is None:
            continue
        others = {rival: study.score(key._replace(pruner=rival)) for rival in rivals}
        known = {rival: value for rival, value in others.items() if value is not None}
        if known:
            best = max(known, key=lambda rival: known[rival])
            found.append(Duel(key, name, score, best, known[best]))
    return found


def against_dense(
    study: StudyTables, datasets: Collection[str], where: Callable[[Key], bool], method: str = pins.PINS
) -> list[Duel]:
    """The same against the unpruned network."""
    found = []
    for key in study.cells:
        name, score, dense = name_of(study, key), study.score(key), study.score(study.dense(key))
        if key.pruner != method or name is None or name not in datasets or not where(key):
            continue
        if score is not None and dense is not None:
            found.append(Duel(key, name, score, "unpruned", dense))
    return found


def points(value: float) -> str:
    """A difference of scores in signed points: ``+4.1``, with a true minus."""
    return f"{100 * value:+.1f}".replace("-", "\N{MINUS SIGN}")


def exceptions(cases: list[Duel], of: int = 4) -> str:
    """The first cases that a claim does not hold in, with how far."""
    if not cases:
        return ""
    told = [f"{case.text} {points(case.lead)} to {case.rival}" for case in cases[:of]]
    more = f" and {len(cases) - of} more" if len(cases) > of else ""
    return f"; not in {', '.join(told)}{more}"
