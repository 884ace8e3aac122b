"""Every paper's judges by claim, and the rows of claims.csv."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from prunescope.analysis.tables.study import StudyTables
from prunescope.config.pruners import NO_PRUNER
from prunescope.papers.claims import (
    pie_examples,
    pie_on_pies,
    pie_scores,
    pie_shares,
    pins_efficiency,
    pins_loss,
    pins_objectives,
    pins_scores,
    pins_tasks,
    pins_weights,
    recall_accuracy,
    recall_amounts,
    recall_networks,
    recall_pruners,
)
from prunescope.papers.claims.findings import Finding, Judge, not_measured
from prunescope.papers.numbers import pie, pins, printed, recall
from prunescope.papers.tables import ClaimRow


@dataclass(frozen=True)
class PaperJudges:
    """``scope``: the part of a study that the paper's claims are about."""

    scope: Callable[[StudyTables], StudyTables]
    judges: Mapping[str, Judge]


def pie_scope(study: StudyTables) -> StudyTables:
    """The PIE paper speaks of language models, BERT and BiLSTM, and of its eight pruners."""
    pruners = {*pie.PRUNERS, NO_PRUNER}
    return study.only(lambda key: study.role(key.arch) is not None and key.pruner in pruners)


def recall_scope(study: StudyTables) -> StudyTables:
    """The recall paper speaks of LeNet5 and ResNets, which classify pictures, and of its six pruners."""
    pruners = {*recall.PRUNERS, NO_PRUNER}
    return study.only(lambda key: study.family(key.arch) in ("lenet5", "resnet") and key.pruner in pruners)


def pins_scope(study: StudyTables) -> StudyTables:
    """The PINS paper speaks of pretrained transformers, and of gradual pruning."""
    pruners = {*pins.PRUNERS, *pins.CRITERIA, pins.PLAIN, pins.DISTILLED, NO_PRUNER}
    families = ("encoder", "causal-lm")
    return study.only(lambda key: study.family(key.arch) in families and key.pruner in pruners)


#: By ``paper`` of claims.csv in the package's data. A paper or claim without a judge is not measured.
PAPERS: dict[str, PaperJudges] = {
    pie.PAPER: PaperJudges(
        pie_scope,
        {
            "PIE-01": pie_shares.pies_rise_with_sparsity,
            "PIE-02": pie_shares.pies_always_exist,
            "PIE-03": pie_shares.more_pies_in_bert,
            "PIE-04": pie_shares.best_pruner_has_fewer_pies,
            "PIE-05": pie_scores.iibp_ft_loses_least,
            "PIE-06": pie_scores.iibp_ft_beats_unpruned_bilstm,
            "PIE-07": pie_scores.unpruned_bert_is_better,
            "PIE-08": pie_scores.pruning_hurts_bert_more,
            "PIE-09": pie_scores.light_pruning_costs_little,
            "PIE-10": pie_on_pies.worse_on_pies,
            "PIE-11": pie_on_pies.loss_is_larger_on_pies,
            "PIE-12": pie_on_pies.scores_on_pies_part,
            "PIE-13": pie_on_pies.pruned_bilstm_can_win_on_pies,
            "PIE-14": pie_examples.every_class_but_the_first,
            "PIE-15": pie_examples.pies_are_influential,
            "PIE-16": pie_examples.pies_spread_evenly,
            "PIE-17": pie_examples.pies_are_harder_to_read,
            "PIE-18": pie_examples.pies_are_longer,
        },
    ),
    pins.PAPER: PaperJudges(
        pins_scope,
        {
            "PINS-01": pins_scores.pins_is_best_on_glue,
            "PINS-02": pins_scores.gains_more_on_small_tasks,
            "PINS-03": pins_scores.keeps_more_of_the_average,
            "PINS-04": pins_scores.exceeds_the_unpruned_on_small_tasks,
            "PINS-05": pins_tasks.best_on_squad,
            "PINS-06": pins_tasks.lead_on_conll_grows,
            "PINS-07": pins_tasks.best_in_generation,
            "PINS-08": pins_scores.light_pruning_improves,
            "PINS-09": pins_objectives.self_regularization_is_best,
            "PINS-10": pins_objectives.criterion_alone_beats_rivals,
            "PINS-11": pins_efficiency.smaller_and_faster,
            "PINS-12": pins_weights.rank_falls_with_the_criterion,
            "PINS-13": pins_loss.loss_falls_most,
        },
    ),
    recall.PAPER: PaperJudges(
        recall_scope,
        {
            "REC-01": recall_amounts.below_then_above_one,
            "REC-02": recall_amounts.random_stays_below_one,
            "REC-03": recall_amounts.rises_from_ratio_to_ratio,
            "REC-04": recall_networks.smaller_networks_intensify_more,
            "REC-05": recall_networks.harder_datasets_intensify_more,
            "REC-06": recall_pruners.undecayed_distorts_less,
            "REC-07": recall_pruners.all_differ_from_random,
            "REC-08": recall_accuracy.accuracy_and_distortion_improve_at_once,
            "REC-09": recall_accuracy.variance_alone_does_not_tell,
        },
    ),
}


def judge(study: StudyTables, claim: printed.Claim) -> Finding:
    """Whether a claim holds in a study."""
    paper = PAPERS.get(claim.paper)
    if paper is None or claim.id not in paper.judges:
        return not_measured("no rule to judge this claim by is part of this version yet")
    return paper.judges[claim.id](paper.scope(study))


def claim_rows(study: StudyTables) -> list[ClaimRow]:
    """Rows of claims.csv: every claim of every paper."""
    findings = [(claim, judge(study, claim)) for claim in printed.claims()]
    return [
        ClaimRow(claim.id, claim.statement, finding.verdict, finding.evidence) for claim, finding in findings
    ]
