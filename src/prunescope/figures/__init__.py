"""Tables in, pictures out; no statistics here. ``prunescope.figures.registry`` is the way in."""

from __future__ import annotations

#: The families of figures, in the order of the report, with what each is about.
FAMILIES: dict[str, str] = {
    "effectiveness": "Score by sparsity",
    "pie_share": "Share of PIEs",
    "pie_share_seeds": "Share of PIEs and number of models",
    "effectiveness_on_pies": "Score on PIEs and on all",
    "pie_classes": "Classes of PIEs",
    "el2n": "Influence on training (EL2N)",
    "el2n_pruners": "Influence on training (EL2N), by pruner",
    "readability": "Readability and length",
    "alpha": "Recall distortion (α)",
    "accuracy_alpha": "Accuracy against recall distortion",
    "balance": "Recall balance of classes",
    "who_pays": "Who pays, against magnitude pruning",
    "pruning_loss": "Loss while pruned gradually",
    "objectives": "Objectives of training while pruned",
    "weights_pattern": "Where weights are left",
    "weights_rank": "Rank of weight matrices",
    "weights_remaining": "Which weights are left",
    "alpha_across": "Recall distortion (α) across networks and data sets",
    "balance_across": "Recall balance across networks and data sets",
    "alpha_intervals": "Intervals of recall distortion (α)",
}

#: Families that the pages of the papers show, and the page of the study, which has the same by network, not.
ON_PAPER_PAGES_ONLY = frozenset({"alpha_across", "balance_across", "alpha_intervals"})
