"""How often the verdicts on recall distortion err, and how often they find what is there, on simulated recalls.

    python benchmarks/alpha_calibration.py [--studies 2000]

Ten classes of equal size with true recalls around .80; the pruned models' true balances are the true distortion times
the dense ones. Every model is an independent draw given the recalls and, with shared difficulty, given each example's
difficulty, which is half of what decides whether a model gets it right. Writes `results/alpha_calibration.json`:

- `below`, `above`: share of studies with the verdict `<` or `>` of the corrected alpha at 99 %; `covered`: whose
  interval holds the true distortion
- `paper_below`, `paper_above`, `paper_mean`: the same of the paper's t interval over seeds, and its mean alpha
- `best`: share that a test finds that knows the true dense balances, and its own distribution without distortion, which
  no method knows: an upper bound of what can be found
"""

from __future__ import annotations

import argparse
import itertools
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import ndtr, ndtri

from prunescope.analysis.alpha.corrected import FEWEST_SEEDS, Balances, Moments, moments
from prunescope.analysis.alpha.distortion import balance, slope
from prunescope.analysis.stats import t_interval

RESULT = Path(__file__).resolve().parent / "results" / "alpha_calibration.json"
CLASSES, ACCURACY, CONFIDENCE = 10, 0.8, 0.99


@dataclass(frozen=True)
class Setting:
    """spread: of the true dense recalls. seed_effect: deviation of a model's ability by class, in probits. common: that
    of one factor of each seed that moves all classes, each by as much as it is drawn to."""

    examples: int
    seeds: int
    spread: float
    shared: float
    fall: float
    distortion: float
    seed_effect: float = 0.0
    common: float = 0.0


def settings() -> Iterator[Setting]:
    """Groups of one setting without distortion and, where it is asked for, the same with distortion."""
    sizes = ((360, 0.05), (10_000, 0.02))
    for (examples, spread), seeds, shared, fall in itertools.product(
        sizes, (4, 10, 30), (0.0, 0.5), (0.0, 0.1)
    ):
        for distortion in (1.0, 0.5, 2.0):
            yield Setting(examples, seeds, spread, shared, fall, distortion)
    for seeds in (4, 10, 30):
        for distortion in (1.0, 0.5, 2.0):
            yield Setting(2_000, seeds, 0.05, 0.3, 0.0, distortion, seed_effect=0.1)
    for seeds, common in itertools.product((2, 3, 4, 6, 10, 30), (0.1, 0.2, 0.4)):
        for distortion in (1.0, 0.5, 2.0):
            yield Setting(2_000, seeds, 0.05, 0.3, 0.0, distortion, common=common)


class Study:
    """One simulated study: outcomes of both sides."""

    def __init__(self, setting: Setting, rng: np.random.Generator) -> None:
        self.setting, size = setting, setting.examples // CLASSES
        gaps = rng.standard_normal(CLASSES)
        gaps -= gaps.mean()
        self.gaps = gaps * setting.spread / np.sqrt(np.mean(gaps**2)) / ACCURACY
        self.load = rng.standard_normal(CLASSES) if setting.common else np.zeros(CLASSES)
        hardness = rng.standard_normal((CLASSES, size), dtype=np.float32)
        after = ACCURACY - setting.fall
        self.dense = self._outcomes(ACCURACY * (1 + self.gaps), hardness, rng)
        self.pruned = self._outcomes(after * (1 + setting.distortion * self.gaps), hardness, rng)

    def _outcomes(self, recall: np.ndarray, hardness: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        one = self.setting
        level = ndtri(np.clip(recall, 0.001, 0.999))
        own = (
            one.seed_effect * rng.standard_normal((one.seeds, CLASSES))
            if one.seed_effect
            else np.zeros((1, CLASSES))
        )
        if one.common:
            own = own + one.common * rng.standard_normal((one.seeds, 1)) * self.load
        within, size = 1 - one.shared, hardness.shape[1]
        reach = (level + own)[:, :, None].astype(np.float32) - np.float32(np.sqrt(one.shared)) * hardness
        chance = ndtr(reach / np.float32(np.sqrt(within)))
        return rng.random((one.seeds, CLASSES, size), dtype=np.float32) < chance

    @property
    def moments(self) -> Moments:
        size = self.dense.shape[2]
        hits = np.stack([self.dense.sum(axis=2), self.pruned.sum(axis=2)], axis=-1)
        dense, pruned = (side.reshape(len(side), -1) for side in (self.dense, self.pruned))
        return moments(np.repeat(np.arange(CLASSES), size), np.full(CLASSES, size), dense, pruned, hits)


def paper(found: Moments) -> tuple[float | None, str]:
    """The paper's mean alpha and verdict."""
    recalls = found.hits / found.support[:, None]
    dense, pruned = (balance(recalls[..., side], recalls[..., side].mean(axis=1)) for side in (0, 1))
    interval = t_interval([slope(x, y) for x, y in zip(dense, pruned, strict=True)], CONFIDENCE)
    return interval.mean, interval.verdict


def knowing(found: Moments, gaps: np.ndarray) -> float:
    """The difference of the balances along the true gaps."""
    recalls = found.hits.mean(axis=0) / found.support[:, None]
    dense, pruned = (recalls / recalls.mean(axis=0)).T
    return float(gaps @ (pruned - dense) / (gaps @ gaps))


def measure(
    setting: Setting, studies: int, undistorted: np.ndarray | None
) -> tuple[dict[str, Any], np.ndarray]:
    """The row of one setting, and the statistic of the test that knows the truth.

    Args:
        undistorted: that statistic without distortion; None: this is the setting without.
    """
    number = [2, setting.examples, setting.seeds, *(round(1000 * v) for v in vars(setting).values())]
    rng = np.random.default_rng(number)
    verdicts, means, covered, known = [], [], [], []
    for _ in range(studies):
        study = Study(setting, rng)
        found = study.moments
        balances = Balances(found)
        beyond = {alpha: balances.beyond(alpha, CONFIDENCE) for alpha in {1.0, setting.distortion}}
        if 1 < setting.seeds < FEWEST_SEEDS:
            # As `corrected_slope`: too few to say.
            beyond = dict.fromkeys(beyond, 0.0)
        verdicts.append((np.sign(beyond[1.0]), paper(found)))
        covered.append(beyond[setting.distortion] == 0)
        means.append(balances.products[0, 1] / balances.products[0, 0])
        known.append(knowing(found, study.gaps))
    slopes = [mean for _, (mean, _) in verdicts if mean is not None]
    row = {
        **asdict(setting),
        "studies": studies,
        "median": float(np.median(means)),
        "below": float(np.mean([sign < 0 for sign, _ in verdicts])),
        "above": float(np.mean([sign > 0 for sign, _ in verdicts])),
        "covered": float(np.mean(covered)),
        "paper_mean": float(np.mean(slopes)),
        "paper_below": float(np.mean([verdict == "<" for _, (_, verdict) in verdicts])),
        "paper_above": float(np.mean([verdict == ">" for _, (_, verdict) in verdicts])),
    }
    statistic = np.array(known)
    if undistorted is not None:
        low, high = np.quantile(undistorted, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
        row["best"] = float(np.mean((statistic < low) | (statistic > high)))
    return row, statistic


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--studies", type=int, default=2000, help="without distortion; a quarter with")
    parser.add_argument("--out", type=Path, default=RESULT)
    args = parser.parse_args()
    rows: list[dict[str, Any]] = []
    undistorted: np.ndarray | None = None
    for setting in settings():
        without = setting.distortion == 1
        count = args.studies if without else args.studies // 4
        row, statistic = measure(setting, count, None if without else undistorted)
        undistorted = statistic if without else undistorted
        rows.append(row)
        print(json.dumps(row), flush=True)
    errors = {
        common: max(
            row["below"] + row["above"]
            for row in rows
            if row["distortion"] == 1 and bool(row["common"]) == common
        )
        for common in (False, True)
    }
    found = {
        "confidence": CONFIDENCE,
        "largest_error": errors[False],
        "largest_error_common": errors[True],
        "settings": rows,
    }
    args.out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
