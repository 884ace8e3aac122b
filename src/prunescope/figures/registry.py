"""The families of figures. A family is declared here, or by an installed package under ``prunescope.figures``.

The workflow's outputs, the captions of its report and the pages follow from the declarations. Nothing heavy is
imported here: every Snakemake job reads this.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

from prunescope.config.plugins import load_plugin, plugins
from prunescope.errors import UserError


@dataclass(frozen=True)
class Family:
    """A family of figures.

    title: heading in reports and on pages.
    caption: what the figures show, in a sentence or two, for Snakemake's report.
    draw: ``module:function``; the function takes a ``Source`` and yields ``layout.Figure``.
    on_study_page: whether ``report/figures.html`` shows it; the papers' pages show what they need in any case.
    """

    title: str
    caption: str
    draw: str
    on_study_page: bool = True


#: In the order of the report.
BUILT_IN: dict[str, Family] = {
    "effectiveness": Family(
        "Score by sparsity",
        "Score on the test split against sparsity: mean and standard deviation over seeds, with the dense models' "
        "score as a line.",
        "prunescope.figures.effectiveness:draw",
    ),
    "pie_share": Family(
        "Share of PIEs",
        "Share of test examples whose majority vote changes (PIEs), with bootstrap intervals and the noise floor.",
        "prunescope.figures.pie_share:draw",
    ),
    "pie_share_seeds": Family(
        "Share of PIEs and number of models",
        "Share of PIEs against the number of models that vote on each side, with the noise floor.",
        "prunescope.figures.pie_share_seeds:draw",
    ),
    "effectiveness_on_pies": Family(
        "Score on PIEs and on all",
        "Score of dense and pruned models on all test examples and on the PIEs alone.",
        "prunescope.figures.effectiveness:draw_on_pies",
    ),
    "pie_classes": Family(
        "Classes of PIEs",
        "Share of each class among the PIEs minus its share among all test examples, at each pruner's lowest and "
        "highest compression level.",
        "prunescope.figures.pie_classes:draw",
    ),
    "el2n": Family(
        "Influence on training (EL2N)",
        "Share of PIEs among training examples by bin of EL2N score, a panel per pruner.",
        "prunescope.figures.el2n:draw",
    ),
    "el2n_pruners": Family(
        "Influence on training (EL2N), by pruner",
        "Share of PIEs among training examples by bin of EL2N score, a panel per data set and architecture.",
        "prunescope.figures.el2n:draw_by_pruner",
    ),
    "data_map": Family(
        "Data map",
        "Share of PIEs among training examples by confidence and variability of the dense models over epochs.",
        "prunescope.figures.data_map:draw",
    ),
    "readability": Family(
        "Readability and length",
        "Readability and length of the PIEs' texts, divided by the mean over all test texts.",
        "prunescope.figures.readability:draw",
    ),
    "alpha": Family(
        "Recall distortion (α)",
        "Intensification α of each seed's model as boxes, with the verdict of the mean's interval.",
        "prunescope.figures.alpha:draw",
    ),
    "certainty": Family(
        "What probabilities lose",
        "Divergence of the probabilities, and change of likelihood, Brier score and calibration error, with intervals: "
        "as the models are, and after temperature scaling.",
        "prunescope.figures.certainty:draw",
    ),
    "accuracy_alpha": Family(
        "Accuracy and recall distortion",
        "Mean accuracy and mean α up to pruning ratio 10, with standard errors, by family of pruners.",
        "prunescope.figures.accuracy_alpha:draw",
    ),
    "balance": Family(
        "Recall balance of classes",
        "Normalized recall balance of every class and seed, before and after pruning.",
        "prunescope.figures.balance:draw",
    ),
    "who_pays": Family(
        "Who pays, against magnitude pruning",
        "PIEs that pruners share with magnitude pruning, and the change of recall of each class under both.",
        "prunescope.figures.who_pays:draw",
    ),
    "pruning_loss": Family(
        "Loss during gradual pruning",
        "Task loss during gradual pruning, and the sparsity reached at each step.",
        "prunescope.figures.pruning_loss:draw",
    ),
    "objectives": Family(
        "Training objectives during pruning",
        "Score of one pruner under several training objectives.",
        "prunescope.figures.objectives:draw",
    ),
    "weights_pattern": Family(
        "Positions of remaining weights",
        "Remaining weights of one matrix under each pruner, beside as many in random positions.",
        "prunescope.figures.weights_pattern:draw",
    ),
    "weights_rank": Family(
        "Rank of weight matrices",
        "Numerical rank of the prunable weight matrices of each layer, as a share of full rank.",
        "prunescope.figures.weights_layers:draw_rank",
    ),
    "weights_remaining": Family(
        "Remaining weights",
        "Magnitudes of the remaining weights, and the share of each layer's weights that remains.",
        "prunescope.figures.weights_remaining:draw",
    ),
    "alpha_across": Family(
        "Recall distortion (α) across architectures and data sets",
        "Intensification α of each seed's model, across sizes of an architecture and across data sets.",
        "prunescope.figures.alpha:draw_across",
        on_study_page=False,
    ),
    "balance_across": Family(
        "Recall balance across architectures and data sets",
        "Normalized recall balance before and after pruning, across sizes of an architecture and across data sets.",
        "prunescope.figures.balance:draw_across",
        on_study_page=False,
    ),
    "alpha_intervals": Family(
        "Intervals of recall distortion (α)",
        "Mean α over seeds with its t interval; beside it α where nothing is pruned (other seeds, controls), and α "
        "corrected for noise.",
        "prunescope.figures.alpha:draw_intervals",
        on_study_page=False,
    ),
}


@cache
def families() -> dict[str, Family]:
    """Built-in families, then those of installed packages, by name.

    Raises:
        UserError: a package's figure has the name of another, has a name that is no identifier, or is no ``Family``.
    """
    found = dict(BUILT_IN)
    for name, point in plugins("figures").items():
        if name in found:
            raise UserError(f"{name}: {point.value} has the name of a built-in figure; give it another one")
        if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
            raise UserError(
                f"{name}: {point.value} needs a name of lower-case letters, digits and underscores"
            )
        family = load_plugin("figures", name)
        if not isinstance(family, Family):
            raise UserError(f"{name}: {point.value} is no prunescope.figures.registry.Family")
        found[name] = family
    return found
