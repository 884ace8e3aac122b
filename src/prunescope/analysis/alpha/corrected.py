"""Recall distortion without the pull of noise: a slope alpha that is 1 where pruning changes nothing.

The paper's alpha regresses pruned on dense balances. Both are measured on a finite test set, and noise in the
regressor pulls the slope towards 0 (errors in variables; Fuller, Measurement Error Models, 1987). Here the sums of
products behind the slope are U-statistics: products of two different examples, and of two different models where there
are several, so that no error meets itself. That is what one half of each class's examples as instrument for the other
half gives, averaged over all halvings at once. Verdict and interval invert a score test of
sum(dense * pruned) - alpha * sum(dense^2) = 0 (Fieller's method). docs/statistics.md has the derivation.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from prunescope.analysis.stats import ROUNDING, Verdict

#: How many seeds it takes before what they say of the covariance between classes counts as much as the variance
#: pooled over classes, which few seeds measure far better.
_POOLED = 8

#: Two or three models say too little of how seeds move the classes together for an interval; one says nothing of seeds.
FEWEST_SEEDS = 4

#: From how much larger products of seed effects are than those of classes that move alone, seeds move them together.
_TOGETHER = 1.1

#: How far the skewness counts as it would for Student's distribution instead of the normal, where seeds move classes
#: together; between what keeps the level and what finds most, in simulation.
_STUDENT = 1 / 3

#: Squares of balances that sum to less are rounding errors.
_NOTHING = 1e-12

#: Steps of the search for an end of the interval, in arctan(alpha), and halvings of the step that holds it.
_STEPS, _HALVINGS = 24, 45


@dataclass(frozen=True)
class Moments:
    """What the estimate needs to know of paired single-label predictions, by class.

    support: (C,) examples. hits: (S, C, 2) right answers of each dense and pruned model. own: (C, 2, 2) sums of
    products of dense and pruned outcomes (0 or 1) of the same example and seed. counts: (C, 2, 2) the same of an
    example's number of right answers over seeds.
    """

    support: np.ndarray
    hits: np.ndarray
    own: np.ndarray
    counts: np.ndarray


@dataclass(frozen=True)
class Corrected:
    """``mean``: the slope; None where the dense balances are not larger than noise makes them.

    An end is None where the data bound alpha on that side nowhere.
    """

    mean: float | None
    low: float | None
    high: float | None

    @property
    def verdict(self) -> Verdict:
        """``<`` if the interval ends below 1, ``>`` if it begins above 1, else ``?``."""
        if self.high is not None and self.high < 1 - ROUNDING:
            return "<"
        return ">" if self.low is not None and self.low > 1 + ROUNDING else "?"


def moments(
    label: np.ndarray, support: np.ndarray, dense: np.ndarray, pruned: np.ndarray, hits: np.ndarray
) -> Moments:
    """Of single-label predictions.

    Args:
        label: (n,) classes. support: (C,) examples of each.
        dense, pruned: (S, n) bool, whether a model is right. hits: (S, C, 2) how often, by class.
    """
    n_classes = len(support)
    kind = np.uint8 if len(dense) < 256 else np.uint16
    both = np.zeros(dense.shape[1], kind)
    for a, b in zip(dense, pruned, strict=True):
        np.add(both, a & b, out=both)
    first, second = (side.sum(axis=0, dtype=kind).astype(np.float64) for side in (dense, pruned))

    def by_class(values: np.ndarray) -> np.ndarray:
        return np.bincount(label, weights=values, minlength=n_classes)

    own, counts = np.empty((n_classes, 2, 2)), np.empty((n_classes, 2, 2))
    own[:, 0, 0], own[:, 1, 1] = hits.sum(axis=0).T
    own[:, 0, 1] = own[:, 1, 0] = by_class(both.astype(np.float64))
    counts[:, 0, 0], counts[:, 1, 1] = by_class(first * first), by_class(second * second)
    counts[:, 0, 1] = counts[:, 1, 0] = by_class(first * second)
    return Moments(support, hits, own, counts)


def corrected_slope(found: Moments, confidence: float) -> Corrected:
    """Alpha with its interval over seeds and examples; of one seed, over examples alone; none with two or three.

    Classes of a single example, which have no spread, are left out. Without two classes, or where a side is never
    right, there is no slope.
    """
    kept = found.support > 1
    if np.count_nonzero(kept) < 2 or not (found.hits[:, kept].sum(axis=(0, 1)) > 0).all():
        return Corrected(None, None, None)
    balances = Balances(
        Moments(found.support[kept], found.hits[:, kept], found.own[kept], found.counts[kept])
    )
    dense, across = balances.products[0]
    if dense <= _NOTHING:
        return Corrected(None, None, None)
    mean = float(across / dense)
    if 1 < balances.n_seeds < FEWEST_SEEDS:
        return Corrected(mean, None, None)
    return Corrected(
        mean,
        _end(mean, -math.pi / 2, lambda alpha: balances.beyond(alpha, confidence) > 0),
        _end(mean, math.pi / 2, lambda alpha: balances.beyond(alpha, confidence) < 0),
    )


def _end(mean: float, limit: float, outside: Callable[[float], bool]) -> float | None:
    """The value nearest to ``mean`` on the way to ±infinity that the test refuses; None without one."""
    inside = start = math.atan(mean)
    for step in range(1, _STEPS + 1):
        # Not quite to infinity.
        at = start + (limit * (1 - 1e-9) - start) * step / _STEPS
        if outside(math.tan(at)):
            refused = at
            for _ in range(_HALVINGS):
                middle = (inside + refused) / 2
                if outside(math.tan(middle)):
                    refused = middle
                else:
                    inside = middle
            return math.tan(refused)
        inside = at
    return None


class Balances:
    """Balances of both sides, recall / accuracy - 1, and what makes them vary.

    products: (2, 2) unbiased sums over classes of products of the true balances, dense first.
    examples, interaction: (C, 2, 2) covariances of a class's recalls / accuracy, mean over seeds, that are due to the
    draw of examples, and the part of it that is each seed's own. seeds: (2, 2) the mean over classes of what is due
    to the draw of seeds. 0 with one seed. moved: (S, C, 2) what each seed adds to the error of the mean. together:
    whether seeds move classes together. unseen: (C, 2) what a recall may vary though the examples show nothing of it,
    because all or none are right.
    """

    def __init__(self, found: Moments) -> None:
        n = found.support.astype(np.float64)
        self.n_seeds, n_classes, _ = found.hits.shape
        self.share = n / n.sum()
        self.freedom = n.sum() - n_classes
        # In units of the mean accuracies, of which balances are shares.
        accuracy = found.hits.sum(axis=(0, 1)) / (self.n_seeds * n.sum())
        hits, scale = found.hits / accuracy, np.outer(accuracy, accuracy)
        pairs = (n * (n - 1))[:, None, None]
        size, seeds = n[:, None, None], self.n_seeds
        mean = hits.mean(axis=0)
        self.examples = (found.counts / (scale * seeds**2) - _outer(mean, mean) / size) / pairs
        single = (found.own / scale - np.einsum("sci,scj->cij", hits, hits) / size) / pairs
        still = np.diagonal(self.examples, axis1=1, axis2=2) <= _NOTHING
        # As if half an example of n + 1 were answered otherwise.
        self.unseen = still * (0.5 * (n + 0.5) / ((n + 1) ** 2 * n))[:, None] / accuracy**2
        self.recalls = hits / n[:, None]
        #: how much of a class's own noise is in the sum over classes: of recall_c - accuracy, squared
        self.weight = 1 - 2 * self.share + n_classes * self.share**2
        apart = self.recalls - np.einsum("sci,c->si", self.recalls, self.share)[:, None]
        self.apart = apart.mean(axis=0)
        # The derivative of the sum over classes by one class's recall.
        self.pull = self.apart - self.share[:, None] * self.apart.sum(axis=0)
        self.products = self.apart.T @ self.apart - self._noise(self.examples)
        if seeds > 1:
            alone = np.einsum("sci,scj->ij", apart, apart) - self._noise(single)
            self.products = (seeds**2 * self.products - alone) / (seeds * (seeds - 1))
            self.interaction = (single - seeds * self.examples) / (seeds * (seeds - 1))
            self.moved = (apart - self.apart) / math.sqrt(seeds * (seeds - 1))
            spread = np.einsum("sci,scj->ij", self.moved, self.moved)
            self.seeds = _positive((spread - self._noise(self.interaction)) / n_classes)
            self.together = self._moves_together()
        else:
            self.interaction, self.seeds = np.zeros_like(self.examples), np.zeros((2, 2))
            self.together = False

    def _noise(self, covariances: np.ndarray) -> np.ndarray:
        return np.einsum("c,cij->ij", self.weight, covariances)

    def _joint(self, products: np.ndarray) -> float:
        """Trace of the square of a covariance matrix, without bias, from (S, S) products of ``moved``."""
        few = self.n_seeds - 1
        joint = float((products**2).sum()) - float(np.trace(products)) ** 2 / few
        return joint * few**2 / (max(1, few - 1) * (few + 2))

    def _moves_together(self) -> bool:
        """Both sides' covariances between classes against those of classes that move alone, as shares of variance."""
        joint = alone = 0.0
        for side in (0, 1):
            own = self.weight * (self.interaction[:, side, side] + self.seeds[side, side])
            moved = self.moved[:, :, side] * np.sqrt(self.weight)
            if own.sum() > _NOTHING:
                joint += self._joint(moved @ moved.T) / float(own.sum()) ** 2
                alone += float(own @ own) / float(own.sum()) ** 2
        return joint > _TOGETHER * alone

    def beyond(self, alpha: float, confidence: float) -> float:
        """How far the test refuses ``alpha``: above 0 as too small, below 0 as too large, 0 where it does not.

        The statistic is sum(dense * pruned) - alpha * sum(dense^2). Its variance and skewness are those of a quadratic
        form of the classes' recalls, were the pruned balances alpha times the dense ones; critical values are
        Student's, moved for the skewness (Cornish and Fisher 1938).
        """
        contrast = np.array([-alpha, 1.0])
        noise = self.examples + self.seeds
        # The balances that both sides estimate together, best where their error does not go with the contrast's.
        total = self._noise(noise)
        apart = float(contrast @ total @ contrast)
        moved = float(total[0] @ contrast) / apart if apart > 0 else 0.0
        mix = np.array([1.0, 0.0]) - moved * contrast
        pull = self.pull @ mix
        error = self.weight * np.einsum("i,cij,j->c", mix, noise, mix)
        squares = pull**2 - error
        size = max(0.0, float(squares.sum()))
        weights = pull - size * self.share

        def of_contrast(covariance: np.ndarray) -> np.ndarray:
            return np.einsum("i,cij,j->c", contrast, covariance, contrast)

        # First order: two-way analysis of variance over examples and seeds of the linearized statistic.
        by_examples = float(weights**2 @ of_contrast(self.examples))
        first = max(0.0, by_examples - float(error @ of_contrast(self.examples)))
        # Once: where many classes are small, the others' variance stands for the still ones too.
        first += float(np.max(weights**2 * (self.unseen @ contrast**2)))
        extra = by_models = common = 0.0
        # Second and third order: moments of the quadratic form x' form x.
        form = self.weight[:, None, None] * np.array([[-alpha, 0.5], [0.5, 0.0]])
        turned, along = form @ noise, noise @ contrast
        second = 2 * float(np.einsum("cij,cji->", turned, turned))
        third = 8 * float(np.einsum("cij,cjk,cki->", turned, turned, turned))
        third += 6 * float(squares @ np.einsum("ci,cij,cj->c", along, form, along))
        few = self.n_seeds - 1
        if few:
            by_seeds = np.einsum("sci,c,i->s", self.recalls, weights, contrast)
            own = float(np.var(by_seeds, ddof=1)) / self.n_seeds
            alone = float(weights**2 @ of_contrast(self.interaction))
            pooled = size * float(contrast @ self.seeds @ contrast)
            trust = few / (few + _POOLED)
            by_models = trust * own + (1 - trust) * pooled
            extra = max(0.0, by_models - trust * alone)
            single = form @ (self.interaction + self.seeds)
            alone = float(np.einsum("cij,cji->", single, single))
            second += 2 * alone / few
            # More where seeds move classes together.
            products = np.einsum("sci,cij,tcj->st", self.moved, form, self.moved)
            common = 2 * max(0.0, self._joint(products) - alone) * self.n_seeds / few
            if self.together:
                first_order = np.einsum("sci,c,i->s", self.moved, weights, contrast)
                third += (
                    8 * float(np.trace(products @ products @ products)) * few**2 / ((few + 2) * (few + 4))
                )
                third += 6 * float(first_order @ products @ first_order) * few / (few + 2)
        variance = first + second + extra + common
        statistic = float(self.products[0, 1] - alpha * self.products[0, 0])
        if variance <= 0:
            return 0.0
        skewness = min(1.2, max(-1.2, third / variance**1.5))
        spread = (by_models**2 + common**2) / max(1, few) + (first + second) ** 2 / self.freedom
        freedom = variance**2 / spread
        if self.together:
            # A single draw of each seed is then all there is.
            freedom = min(freedom, few)
        from scipy.special import ndtri, stdtrit

        critical = float(stdtrit(freedom, (1 + confidence) / 2))
        base, eased = critical, True
        if self.together:
            # The expansion is the normal's: with the few degrees of freedom of seeds, Student's would exaggerate it. A
            # skewness above 0, which such seeds show by chance, does not make a small alpha easier to find.
            normal = float(ndtri((1 + confidence) / 2))
            base, eased = normal + _STUDENT * (critical - normal), False
        shift = skewness / 6 * (base**2 - 1) * critical / base
        ratio = statistic / math.sqrt(variance)
        if ratio > critical + shift:
            return ratio - (critical + shift)
        return min(0.0, ratio + critical - (shift if eased else min(0.0, shift)))


def _outer(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.asarray(a[:, :, None] * b[:, None, :])


def _positive(matrix: np.ndarray) -> np.ndarray:
    """The nearest covariance matrix: negative eigenvalues are noise around 0."""
    values, vectors = np.linalg.eigh(matrix)
    return np.asarray((vectors * np.maximum(values, 0)) @ vectors.T)
