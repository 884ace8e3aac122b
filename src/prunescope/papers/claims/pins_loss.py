"""Judge of PINS-13: the loss while networks are pruned (PINS paper, Figure 3)."""

from __future__ import annotations

from prunescope.analysis.tables.study import Key, StudyTables
from prunescope.papers.claims.findings import Finding, few_exceptions, found, mean, not_measured
from prunescope.papers.numbers import pins

_OWN, _HEURISTIC = pins.CRITERIA[:2], pins.CRITERIA[2:]


def loss_falls_most(study: StudyTables) -> Finding:
    """PINS-13: pruning by the PINS criterion lowers the training loss most; self-regularization has its cost.

    A network's loss is the mean over the steps in which it is pruned, over seeds, of the task alone; compared are
    networks of the same steps. Judged by PINS as it is used, or else by its plain formula; holds with at most a fifth
    of exceptions. What self-regularization costs is not judged.
    """
    evidence, verdicts = [], []
    for method in _OWN:
        cases = [case for key in sorted(study.losses) if (case := _against(study, key, method)) is not None]
        if not cases:
            continue
        lowest = sum(own < other for own, other, _ in cases)
        verdicts.append(few_exceptions(lowest, len(cases)))
        own, other = mean(own for own, _, _ in cases), mean(other for _, other, _ in cases)
        evidence.append(
            f"{method} has the lowest mean loss in {lowest} of {len(cases)} networks and amounts ({own:.3g} against "
            f"{other:.3g} of the best of {_listed({name for case in cases for name in case[2]})}, in the mean)"
        )
    if not verdicts:
        return not_measured(
            f"needs losses while pruned (pruning_loss.csv) of {' or '.join(_OWN)}, and of "
            f"{' or '.join(_HEURISTIC)}, at the same sparsity"
        )
    told = "; ".join(evidence)
    return found(
        verdicts[0], f"{told}; memory and time of self-regularization are measured by benchmarks/gradual.py"
    )


def _against(study: StudyTables, key: Key, method: str) -> tuple[float, float, list[str]] | None:
    """Mean losses of the method's network and of the best rival's, and the rivals."""
    if key.pruner != method:
        return None
    rivals = {}
    for name in _HEURISTIC:
        other = key._replace(pruner=name)
        if other in study.losses and _steps(study, other) == _steps(study, key):
            rivals[name] = _mean_loss(study, other)
    return (_mean_loss(study, key), min(rivals.values()), list(rivals)) if rivals else None


def _steps(study: StudyTables, key: Key) -> list[int]:
    """Ends of the stretches of steps in which weights go."""
    return [point.step for point in study.losses[key] if point.reached > 0]


def _mean_loss(study: StudyTables, key: Key) -> float:
    return mean(point.loss for point in study.losses[key] if point.reached > 0)


def _listed(names: set[str]) -> str:
    return " and ".join(name for name in _HEURISTIC if name in names)
