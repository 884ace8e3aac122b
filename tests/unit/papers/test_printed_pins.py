"""The PINS paper's numbers that the package carries."""

from __future__ import annotations

import csv
from collections import Counter
from decimal import Decimal
from functools import partial
from pathlib import Path
from statistics import mean

import pytest
from tests.support.printed_numbers import printed

from prunescope.papers.pins import printed as pins
from prunescope.papers.printed import numbers

SHARED = Path(__file__).parents[4] / "shared" / "published"


number = partial(printed, pins.PAPER)


def test_golden_cells() -> None:
    assert number("1", "CoLA", "BERT-base", "PINS", 0.8, "score_mean") == 0.571
    assert number("1", "MNLI", "BERT-base", "GMP", 0.9, "score_mean") == 0.789
    assert number("2", "SQuAD", "BERT-base", "L0", 0.5, "score_mean") == 0.846
    assert number("3", "CoNLL-2003", "BERT-base", "SMvP", 0.8, "precision") == 0.921
    assert number("4", "E2E", "GPT-2", "PINS", 0.8, "rouge_l") == 0.718
    assert number("4", "DART", "GPT-2", "GMP", 0.8, "bleurt") == 0.22
    assert number("6", "RTE", "BERT-base", "PINS-distilled", 0.8, "score_mean") == 0.703
    assert number("8", "QNLI", "MiniLM-12L-384H", "PLATON", 0.9, "score_mean") == 0.88
    assert number("9", "RTE", "Electra-base", "none", 0.0, "score_mean") == 0.819
    assert pins.GLUE_MEANS["PINS", 0.9] == 0.813
    assert [(one.quantity, one.value, one.gain) for one in pins.efficiency() if one.pruner == "PINS"] == [
        ("seconds", 0.041, 2.7),
        ("megabytes", 38.0, 8.9),
        ("accuracy", 0.69, None),
    ]


def test_every_number_once_and_nothing_but_fractions() -> None:
    where = [(n.table, n.dataset, n.arch, n.pruner, n.sparsity, n.quantity) for n in numbers(pins.PAPER)]
    assert len(set(where)) == len(where)
    assert Counter(n.table for n in numbers(pins.PAPER)) == {
        # 1: 13 rows of 8 tasks, their means are apart
        "1": 104,
        "2": 18,
        "3": 21,
        "4": 28,
        "6": 9,
        "8": 21,
        "9": 21,
    }
    for n in numbers(pins.PAPER):
        assert 0 <= n.value <= 1
        assert n.pruner in (*pins.PRUNERS, pins.PLAIN, pins.DISTILLED, "none")
        assert n.arch in pins.NAMES.archs
        assert (n.pruner == "none") == (n.sparsity == 0)


def test_printed_means_are_of_the_printed_tasks() -> None:
    for (pruner, sparsity), value in pins.GLUE_MEANS.items():
        tasks = [
            n.value
            for n in numbers(pins.PAPER)
            if (n.table, n.pruner, n.sparsity) == ("1", pruner, sparsity) and n.dataset in pins.GLUE
        ]
        assert len(tasks) == 8
        # Two are rounded otherwise in print: 69.1 (69.18) and 72.1 (72.04).
        assert mean(tasks) == pytest.approx(value, abs=9e-4)


def test_names_of_data_sets_and_models() -> None:
    assert pins.dataset_name("anything", "glue_stsb") == "STS-B"
    assert pins.dataset_name("RTE", "csv") is None
    assert pins.dataset_name("sst-2", None) == "SST-2"
    assert pins.dataset_name("digits", None) is None
    assert pins.arch_name("MiniLM-L12-H384") == "MiniLM-12L-384H"
    assert pins.arch_name("bert-base") == pins.arch_name("bert") == "BERT-base"
    assert pins.arch_name("minilm") is None


@pytest.mark.skipif(not SHARED.is_dir(), reason="../shared is not here")
def test_as_they_were_read() -> None:
    pruners = {"Fine-tune": "none", "IMP": "GMP", "l0-regularization": "L0"}
    counted = 0
    ours = {
        (
            n.table,
            n.dataset,
            n.arch,
            n.pruner,
            n.sparsity,
            n.metric if n.quantity == "score_mean" else n.quantity,
        ): (n.value)
        for n in numbers(pins.PAPER)
    }
    with (SHARED / "pins_glue.csv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            metric = {"mcc": "matthews"}.get(row["metric"], row["metric"])
            metric = "mean_accuracy" if row["task"] == "MNLI" else metric
            if row["task"] == "Avg":
                continue
            where = (
                row["source_table"],
                row["task"],
                row["model"],
                pruners.get(row["method"], row["method"]),
            )
            value = ours[(*where, float(row["sparsity"]) / 100, metric)]
            assert Decimal(str(value)) * 100 == Decimal(row["value"])
            counted += 1
    assert counted == 146
