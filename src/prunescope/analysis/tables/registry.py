"""Every table that compares the cells of a study: columns with their meaning, caption, and the function of its rows.

A new table is one row type here and one function ``(StudyResults) -> Iterable[row]``. One that repeats what audits
found has the columns of the audits' row type. Scores and shares are fractions; intervals are Student's t intervals of
the mean over seeds at the study's ``confidence`` unless a column says otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated as A

from prunescope.analysis import audit_tables
from prunescope.analysis.spans import POSITIVE, SHARE, Within
from prunescope.analysis.tables import shared
from prunescope.analysis.tables.declared import CellRow, Row, Tables

TABLES = Tables()

_PER_CELL = "prunescope.analysis.tables.per_cell"


@TABLES.add("effectiveness", f"{_PER_CELL}:effectiveness")
@dataclass(frozen=True)
class Effectiveness(CellRow):
    """Test score of the dense and the pruned models."""

    metric: A[str, "what the score measures: the data set's leading metric, else the task's score"]
    mean: shared.MeanScore
    std: A[float | None, "standard deviation over seeds (n - 1); empty with one seed"]
    n_seeds: A[int, "seeds that have the score"]


@TABLES.add("task_metrics", f"{_PER_CELL}:task_metrics")
@dataclass(frozen=True)
class TaskMetric(Effectiveness):
    """Test scores by the data set's own metrics, for data sets that name some."""


@TABLES.add("controls", "prunescope.analysis.controls:rows")
@dataclass(frozen=True)
class Control(CellRow):
    """Change of the test score from the dense model, and from the control, which trains alike and is not pruned."""

    metric: shared.Metric
    change_from_dense: A[float | None, "mean over seeds of pruned minus dense score"]
    change_from_control: A[float | None, "mean over seeds of pruned minus control score"]
    ci_low: A[
        float | None,
        "lower end of the interval of `change_from_control`; empty with one seed",
        Within(by="metric", change=True),
    ]
    ci_high: shared.High
    n_seeds: A[int, "seeds that have all three scores"]
    alpha_control: A[float | None, "mean alpha between dense models and controls of the same seed"] = None


@TABLES.add("pie_share", f"{_PER_CELL}:pie_share")
@dataclass(frozen=True)
class PieShare(CellRow):
    """Share of test examples that are PIEs: their majority vote over seeds differs between dense and pruned models."""

    n_examples: A[int | None, "test examples"]
    n_pies: A[int | None, "PIEs among them"]
    pie_share: shared.PieShare


@TABLES.add("effectiveness_on_pies", f"{_PER_CELL}:effectiveness_on_pies")
@dataclass(frozen=True)
class EffectivenessOnPies(CellRow):
    """Test score on the PIEs alone."""

    metric: shared.Metric
    dense: A[float | None, "mean score of the dense models; empty without PIEs"]
    pruned: shared.PrunedScore
    n_pies: A[int | None, "PIEs"]
    n_seeds: A[int | None, "seeds of which both models have a score on the PIEs"] = None


@TABLES.add("el2n_bins", f"{_PER_CELL}:el2n_bins")
@dataclass(frozen=True)
class El2nBin(audit_tables.Bin, CellRow):
    """PIEs of the training split by EL2N score, in bins of equal size."""


@TABLES.add("data_map", f"{_PER_CELL}:data_map")
@dataclass(frozen=True)
class DataMap(audit_tables.DataMapRow, CellRow):
    """PIEs of the training split on the data map of the dense models (Swayamdipta et al. 2020)."""


@TABLES.add("readability", f"{_PER_CELL}:readability_rows")
@dataclass(frozen=True)
class Readability(audit_tables.Readability, CellRow):
    """Readability and length of the PIEs beside all test texts."""


@TABLES.add("alpha", f"{_PER_CELL}:alpha")
@dataclass(frozen=True)
class Alpha(CellRow):
    """Recall distortion: the slope alpha between the classes' recall balances before and after pruning."""

    ratio: A[float | None, "compression ratio reached: all parameters over those left"]
    alpha: A[float | None, "mean over seeds; above 1, differences in recall grow"]
    ci_low: shared.Low
    ci_high: shared.High
    confidence: shared.KnownConfidence
    verdict: A[str, "`>`: whole interval above 1, `<`: below 1, `?`: includes 1"]
    accuracy: shared.PrunedScore
    n_seeds: A[int, "seeds that have an alpha"]
    alpha_null: A[
        float | None, "mean alpha between dense models of different seeds, where nothing is pruned"
    ] = None
    alpha_corrected: A[float | None, "alpha without the pull of noise towards 0"] = None
    corrected_low: A[
        float | None, "lower end of its interval over seeds and examples; empty: no bound", Within()
    ] = None
    corrected_high: shared.High = None
    corrected_verdict: A[str | None, "as `verdict`, of this interval"] = None
    alpha_control: A[
        float | None, "mean alpha between dense models and controls of the same seed, where nothing is pruned"
    ] = None


@TABLES.add("alpha_tests", "prunescope.analysis.alpha.tests:rows")
@dataclass(frozen=True)
class AlphaTest(Row):
    """Hypothesis tests between the alphas of two cells (recall paper, section 6.2), corrected within families."""

    family: A[str, "tests that are corrected together"]
    varied: shared.Varied
    fixed: A[str, "what both share"]
    a: A[str, "first side, as `varied` names it"]
    b: A[str, "second side"]
    statistic: A[float | None, "t, of a - b"]
    df: A[float | None, "degrees of freedom"]
    p_value: A[float | None, "not corrected; empty where there is no test (`note`)"]
    p_corrected: A[float | None, "by `correction`"]
    alternative: A[str, "`less`, `greater` or `two-sided`: mean alpha of a against b"]
    correction: A[str, "`bonferroni` or `holm`"]
    family_size: A[int, "tests of the family, those without outcome included"]
    p_holm: A[float | None, "corrected by Holm's method"]
    significant: A[bool | None, "p_corrected < 0.05"]
    test: A[str, "`paired` or `independent` samples"]
    mean_a: A[float | None, "mean alpha of a"]
    mean_b: A[float | None, "mean alpha of b"]
    mean_difference: A[float | None, "mean_a - mean_b"]
    difference_low: shared.Low
    difference_high: shared.High
    effect: A[str, "`d_z` (paired) or `hedges_g`"]
    effect_size: A[float | None, "effect size of a - b"]
    effect_low: shared.Low
    effect_high: shared.High
    confidence: A[float, "confidence of both intervals"]
    n_a: A[int, "models of a that entered"]
    n_b: A[int, "models of b that entered"]
    n_dropped: A[int, "models left out: missing, diverged, without alpha, or without a partner"]
    cell_a: shared.CellA
    cell_b: shared.CellB
    note: A[str, "why there is no test or no interval"]


@TABLES.add("alpha_variants", "prunescope.analysis.alpha.variants:variants")
@dataclass(frozen=True)
class AlphaVariant(CellRow):
    """Alpha with precision or F1 instead of recall (recall paper, section 4)."""

    ratio: shared.Ratio
    measure: A[str, "`recall`, `precision` or `f1`"]
    alpha: A[float | None, "mean over seeds"]
    ci_low: shared.Low
    ci_high: shared.High
    n_seeds: A[int, "seeds that have a value"]


@TABLES.add("alpha_intensification", "prunescope.analysis.alpha.variants:intensifications")
@dataclass(frozen=True)
class Intensification(CellRow):
    """One slope over all models, and intensification ratios (recall paper, appendix G)."""

    ratio: shared.Ratio
    pooled_alpha: A[float | None, "slope over the classes of all models together"]
    pooled_r2: A[float | None, "its coefficient of determination"]
    alpha_mean: A[float | None, "mean of the models' own alphas"]
    alpha_std: A[float | None, "their standard deviation"]
    alpha_min: A[float | None, "the smallest"]
    alpha_max: A[float | None, "the largest"]
    intensification_mean: A[float | None, "pruned over dense balance, mean over classes, then over models"]
    intensification_std: shared.StdOfModels
    intensification_min: A[float | None, "smallest model mean"]
    intensification_max: A[float | None, "largest model mean"]
    n_seeds: A[int, "models with an alpha"]
    n_undefined: A[int, "classes of models without an intensification ratio (dense balance 0)"]


@TABLES.add("recall_variance", f"{_PER_CELL}:recall_variance")
@dataclass(frozen=True)
class RecallVariance(CellRow):
    """Variance of recall over classes (recall paper, appendix F)."""

    ratio: A[float | None, "compression ratio reached; 1: dense"]
    mean_recall_variance: A[float | None, "variance over the classes of one model (n - 1), mean over models"]
    n_seeds: shared.Models


@TABLES.add("pruning_loss", "prunescope.analysis.pruning_loss:rows")
@dataclass(frozen=True)
class PruningLoss(CellRow):
    """The task's training loss while models are pruned gradually (PINS paper, Figure 3)."""

    step: A[int, "last training step of the point"]
    reached: A[float, "sparsity after the step"]
    mean: A[float, "mean loss of the steps since the point before, over seeds"]
    std: shared.StdOfSeeds
    n_seeds: shared.Models


@TABLES.add("layer_collapse", "prunescope.analysis.layer_collapse:rows")
@dataclass(frozen=True)
class LayerCollapse(CellRow):
    """Prunable weights that are wholly zero in some model: layer collapse (Tanaka et al. 2020)."""

    layer: A[str, "name of the weight"]
    n_weights: A[int, "number of its weights"]
    n_collapsed: A[int, "models in which all of them are zero"]
    n_seeds: shared.Models


@TABLES.add("objectives", "prunescope.analysis.objectives:rows")
@dataclass(frozen=True)
class Objective(CellRow):
    """Scores of pruners that differ in their training objective alone (PINS paper, Table 6)."""

    base: A[str, "the shortest name of the pruners that are compared"]
    objective: A[str, "`task`, `distilled` or `self-regularized`"]
    metric: shared.Metric
    mean: shared.MeanScore
    std: shared.StdOfSeeds
    ci_low: A[float | None, "lower end of the interval of the mean", Within(by="metric")]
    ci_high: shared.High
    confidence: shared.Confidence
    n_seeds: A[int, "seeds"]
    published: A[float | None, "score printed in Table 6 for the same cell"]


@TABLES.add("pruner_tests", "prunescope.analysis.pies.who_pays:pruner_tests")
@dataclass(frozen=True)
class PrunerTest(Row):
    """Test scores of two pruners of the same dense models at one compression level: paired t tests over seeds."""

    dataset: A[str, "data set"]
    arch: A[str, "architecture"]
    compression: A[str, "compression level of both"]
    metric: shared.Metric
    a: A[str, "pruner"]
    b: A[str, "the other pruner"]
    mean_a: A[float | None, "mean score of a over the seeds that both have"]
    mean_b: A[float | None, "mean score of b"]
    mean_difference: A[float | None, "mean_a - mean_b"]
    difference_low: shared.Low
    difference_high: shared.High
    confidence: A[float, "confidence of the interval"]
    n_seeds: A[int, "seeds that both have"]
    statistic: A[float | None, "t, of a - b"]
    p_value: A[float | None, "two-sided, not corrected; empty where there is no test (`note`)"]
    p_corrected: A[float | None, "by Holm's method over all tests of this table"]
    cell_a: shared.CellA
    cell_b: shared.CellB
    note: A[str, "why there is no test"]


@TABLES.add("who_pays", "prunescope.analysis.pies.who_pays:overlaps")
@dataclass(frozen=True)
class WhoPays(CellRow):
    """Whether two pruners share their PIEs: each against one that prunes by magnitude, as new pruners are compared."""

    reference: shared.Reference
    n_examples: A[int, "test examples"]
    n_pies_reference: A[int, "PIEs under the reference"]
    n_pies: A[int, "PIEs under this pruner"]
    n_both: A[int, "PIEs under both"]
    jaccard: A[float | None, "n_both over the PIEs of either"]
    jaccard_by_chance: A[float | None, "its mean for two random sets of these sizes"]


@TABLES.add("who_pays_classes", "prunescope.analysis.pies.who_pays:class_changes")
@dataclass(frozen=True)
class WhoPaysClass(CellRow):
    """Changes of recall by class, pruned minus dense, under a pruner and one that prunes by magnitude: paired tests."""

    reference: shared.Reference
    class_: shared.Class
    support: A[int, "test examples of the class"]
    change_reference: A[float | None, "mean change under the reference"]
    change_reference_low: shared.LowOfChange
    change_reference_high: shared.High
    change: A[float | None, "mean change under this pruner"]
    change_low: shared.LowOfChange
    change_high: shared.High
    difference: A[float | None, "change - change_reference, paired by seed"]
    difference_low: shared.LowOfChange
    difference_high: shared.High
    confidence: A[float, "confidence of the intervals"]
    n_seeds: A[int, "seeds that both pruners have"]
    p_value: A[float | None, "paired t test over seeds that `difference` is 0, not corrected"] = None
    p_corrected: A[float | None, "by Holm's method over classes and pruners with one reference"] = None


@TABLES.add("groups", f"{_PER_CELL}:groups")
@dataclass(frozen=True)
class Group(audit_tables.GroupRow, CellRow):
    """Score, its change and harm by group, for data sets whose settings name `groups`."""


@TABLES.add("slices", f"{_PER_CELL}:slices")
@dataclass(frozen=True)
class Slice(audit_tables.Slice, CellRow):
    """Slices of the test examples that are harmed beyond the rest: searched on one half, tested on the other."""


@TABLES.add("changes", f"{_PER_CELL}:changes")
@dataclass(frozen=True)
class Change(CellRow):
    """What pruning does to the test score, and whether more answers become wrong than right."""

    metric: shared.Metric
    change: A[float | None, "pruned - dense score, mean over seeds"]
    ci_low: shared.LowOfScoreChange
    ci_high: shared.High
    confidence: shared.KnownConfidence
    detectable: A[float | None, "change that a test at 5 % would find in four of five samples"]
    to_wrong: A[int | None, "examples whose majority vote becomes wrong"]
    to_right: A[int | None, "examples whose majority vote becomes right"]
    p_value: shared.McNemar
    n_seeds: shared.Seeds


@TABLES.add("certainty", f"{_PER_CELL}:certainty")
@dataclass(frozen=True)
class Certainty(CellRow):
    """How the models' probabilities differ over all test examples, from logits."""

    measure: shared.CertaintyMeasure
    scaled: shared.Scaled
    dense: shared.DenseCertainty
    pruned: shared.PrunedCertainty
    change: shared.CertaintyChange
    ci_low: shared.LowOfCertainty
    ci_high: shared.High
    confidence: shared.Confidence


@TABLES.add("pie_intervals", "prunescope.analysis.pies.seed_tables:intervals")
@dataclass(frozen=True)
class PieInterval(CellRow):
    """How firm the share of PIEs is over seeds, and its noise floor between groups of dense models."""

    n_seeds: shared.Seeds
    pie_share: A[float | None, "share of PIEs of all seeds"]
    ci_low: A[float | None, "lower end of the bootstrap interval over seeds", Within(SHARE)]
    ci_high: shared.High
    confidence: A[float | None, "confidence of the bootstrap interval"]
    bootstrap_mean: A[float | None, "mean share over bootstrap samples"]
    pie_share_half: A[float | None, "share between halves of the dense and the pruned models"]
    noise_floor: A[float | None, "share between disjoint halves of the dense models"]
    noise_floor_low: A[float | None, "lower end over splits into halves", Within(SHARE)]
    noise_floor_high: shared.High
    excess: A[float | None, "pie_share_half - noise_floor"]
    verdict: A[
        str | None,
        "`>`: excess above 0 over splits and, by a test over seeds, for single models; `<`: below 0; `?`: neither",
    ]
    centered_low: A[float | None, "lower end of the centred bootstrap interval", Within(SHARE)]
    centered_high: shared.High


@TABLES.add("pie_share_by_seeds", f"{_PER_CELL}:by_seeds")
@dataclass(frozen=True)
class PieShareBySeeds(audit_tables.PieShareBySeeds, CellRow):
    """Share of PIEs and noise floor by the number of models that vote."""


@TABLES.add("agreement", "prunescope.analysis.pies.seed_tables:agreement")
@dataclass(frozen=True)
class Agreement(CellRow):
    """How often pruned models repeat the predictions of their dense originals."""

    loyalty_mean: A[float | None, "share of equal predictions, mean over seeds"]
    loyalty_std: shared.StdOfSeeds
    loyalty_between_seeds: A[float | None, "share of equal predictions of dense models of different seeds"]
    flips_mean: A[float | None, "examples whose correctness changes, mean over seeds"]
    flips_to_wrong: A[float | None, "right to wrong"]
    flips_to_right: A[float | None, "wrong to right"]
    n_seeds: shared.Seeds
    flips_share: A[float | None, "flips_mean over all examples"]


@TABLES.add("spearman_pies", "prunescope.analysis.pies.seed_tables:spearman")
@dataclass(frozen=True)
class SpearmanPies(CellRow):
    """PIEs by rank correlation (Holste et al. 2023) beside PIEs by majority vote, for several labels per example."""

    n_examples: A[int | None, "examples with a rank correlation"]
    n_spearman_pies: A[int | None, "the 5 % of them that agree least"]
    n_both: A[int | None, "those that are PIEs by majority vote as well"]
    mean_spearman: A[float | None, "mean rank correlation"]


@TABLES.add("weights", "prunescope.analysis.weights.tables:weights")
@dataclass(frozen=True)
class Weights(CellRow):
    """What pruning leaves of weight matrices: a row per model (no layer), layer (no matrix) and matrix."""

    layer: A[int | None, "number of the layer, from 1; empty: the whole model"]
    layer_name: A[str | None, "its name"]
    matrix: A[str | None, "matrix within the layer; empty: all of them"]
    rows: A[int | None, "outputs of the matrix"]
    columns: A[int | None, "inputs of the matrix"]
    n_matrices: A[int, "matrices that the row is about"]
    n_seeds: shared.Models
    left_share: A[float | None, "share of weights that are left, mean over models"]
    left_share_std: shared.StdOfModels
    rank: A[float | None, "rank, mean over matrices and models"]
    rank_std: shared.StdOfModels
    rank_share: A[float | None, "rank over full rank"]
    rank_share_std: shared.StdOfModels
    empty_rows: A[float | None, "share of rows without any weight"]
    empty_rows_std: shared.StdOfModels
    empty_columns: A[float | None, "share of columns without any weight"]
    empty_columns_std: shared.StdOfModels
    row_gini: A[float | None, "Gini coefficient of the weights left per row"]
    row_gini_std: shared.StdOfModels
    column_gini: A[float | None, "Gini coefficient of the weights left per column"]
    column_gini_std: shared.StdOfModels
    megabytes: A[float | None, "size of the weights left as `prunescope export` writes them, 10^6 bytes"]
    megabytes_std: shared.StdOfModels
    row_gini_random: A[float | None, "row_gini if as many weights were left at random positions"]
    column_gini_random: A[float | None, "column_gini at random positions"]
    megabytes_float32: A[float | None, "size of all weights in float32, 10^6 bytes"]
    megabytes_csr: A[
        float | None, "size of the weights left as INT8 in plain compressed sparse rows, 10^6 bytes"
    ]
    exported_score: A[
        float | None, "score of the models as `prunescope export` writes them (`exported_scores`), mean"
    ]


@TABLES.add("weight_values", "prunescope.analysis.weights.tables:weight_values")
@dataclass(frozen=True)
class WeightValues(CellRow):
    """Magnitudes of the weights that are left, as shares by bin."""

    low: A[float, "lower edge of the bin", Within(POSITIVE)]
    high: A[float | None, "upper edge, exclusive; empty: no upper edge"]
    share: A[float | None, "share of the weights left, mean over models"]
    share_std: shared.StdOfModels
    n_seeds: shared.Models
