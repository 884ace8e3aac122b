"""What a study will take, counted by hand."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from prunescope.cli import main
from prunescope.config.load import load_study, study_from
from prunescope.data.sources.digits import Digits
from prunescope.data.sources.docstrings import Docstrings
from prunescope.data.sources.reuters import Reuters
from prunescope.errors import UserError
from prunescope.paths import Layout, fill
from prunescope.planning.architectures import check_ratios
from prunescope.planning.blocks import blocks
from prunescope.planning.plan import make_plan
from prunescope.planning.rates import quantity
from prunescope.planning.text import plan_text


@pytest.fixture
def plan(study_dict, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # blocks that stand in a results folder count
    return make_plan(study_from(study_dict))


def test_models_and_jobs(plan):
    assert plan["dense_models"] == 5 + 3
    assert plan["pruned_models"] == 2 * 2 * 3 + 3 + 3
    assert plan["models"] == 8 + 18
    # Blocks of two: seeds 0-4 make three jobs, 0-2 and 2-4 two; of one on prose. One analysis a cell.
    numbers = (3 + 1) + 4 * (2 + 1) + (2 + 1)
    prose = (3 + 1) + (3 + 1)
    # Two data sets, two encodings, one readability, EL2N of four sets of seeds (0-4, 0-2, 2-4; prose); list,
    # tables, figures, paper, pages, and the target.
    assert plan["jobs"] == numbers + prose + 2 + 2 + 1 + 4 + 6 == 42
    rows = {row["dataset"]: (row["models"], row["jobs"]) for row in plan["datasets"]}
    assert rows == {"numbers": (20, numbers), "prose": (6, prose)}


def test_measuring_weights_is_a_job_a_block(study_dict, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    study = study_from(study_dict)
    arch = study.cells[0].arch
    before, after = make_plan(study), make_plan(study_from({**study_dict, "weight_statistics": [arch]}))
    jobs = sum(len(blocks(Layout("results"), study, cell)) for cell in study.cells if cell.arch == arch)
    assert jobs > 4
    assert after["jobs"] == before["jobs"] + jobs
    assert after["partitions"]["cpu"]["jobs"] == before["partitions"]["cpu"]["jobs"] + jobs
    assert after["partitions"]["cpu"]["hours"] > before["partitions"]["cpu"]["hours"]
    assert after["partitions"]["gpu"] == before["partitions"]["gpu"]


def removed(kind: str, level: float, share: float, structure: str = "weights") -> dict[str, object]:
    return {"kind": kind, "level": level, "structure": structure, "share_removed": share}


def test_models(plan):
    lenet, bilstm = plan["networks"]
    total = (6 * 25 + 6) + (16 * 6 * 25 + 16) + (64 * 120 + 120) + (120 * 84 + 84) + (84 * 10 + 10)
    prunable = 6 * 25 + 16 * 6 * 25 + 64 * 120 + 120 * 84
    assert lenet == {
        "dataset": "numbers",
        "arch": "lenet5",
        "n_parameters": total,
        "n_prunable": prunable,
        # A ratio of 4 removes three quarters of all parameters: 16,039.5 of 21,386, half to even.
        "share_removed": {
            "0.5": 10_155 / total,
            "0.9": 18_279 / total,
            f"{0.75 * total / prunable:g}": 16_040 / total,
        },
        "removed": [
            removed("ratio", 4, 16_040 / total),
            removed("sparsity", 0.5, 10_155 / total),
            removed("sparsity", 0.9, 18_279 / total),
        ],
    }
    assert (total, prunable) == (21_386, 20_310)
    lstm = 2 * (4 * 4 * 8 + 4 * 4 * 4)
    assert bilstm == {
        "dataset": "prose",
        "arch": "bilstm",
        "n_parameters": lstm + 2 * 2 * 4 * 4 + (8 * 6 + 6) + (6 * 2 + 2),
        "n_prunable": lstm + 8 * 6,
        "share_removed": {"0.7": 302 / 516},
        "removed": [removed("sparsity", 0.7, 302 / 516)],
    }


def test_hours_and_disk_of_dense_models_by_hand(study_dict, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    grid = [{"datasets": ["numbers"], "archs": ["lenet5"]}]
    plan = make_plan(study_from({**study_dict, "grid": grid}))
    forward = 2 * (150 * 64 + 2400 * 16 + 7680 + 10_080)
    operations = 3 * forward * 1258 * 4 + forward * (1258 + 178 * 5 + 361)
    # Two of the three seeds train together: at the rate of models in lock step.
    assert plan["gpu_hours"] == pytest.approx(3 * operations / 1e12 / 3600)
    # Ten logits, a class of ten, and the numbers of example and model.
    row = 3.7 * 10 + (math.log2(10) / 8 + 0.1) + 1.5
    tables = 3 * (361 + 2 * 1258) * row
    assert plan["tables_gb"] == pytest.approx(tables / 1e9)
    assert plan["disk_gb"] == pytest.approx((tables + 3 * 3 * 4 * 21_386) / 1e9)
    half = make_plan(study_from({**study_dict, "grid": grid, "logits": "float16"}))
    rounded = 1.85 * 10 + 2 * (math.log2(10) / 8 + 0.1) + 0.2
    assert half["tables_gb"] == pytest.approx(3 * (1258 * row + (361 + 1258) * rounded) / 1e9)
    assert (plan["models"], plan["dense_models"], plan["pruned_models"]) == (3, 3, 0)


def test_rounds_take_their_time(study_dict, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def hours(pruners: list[str], **training: int) -> float:
        grid = {"datasets": ["numbers"], "archs": ["lenet5"], "pruners": pruners}
        if pruners:
            grid["sparsities"] = [0.5]
        archs = {**study_dict["archs"], "lenet5": {"family": "lenet5", "training": {"epochs": 4, **training}}}
        return make_plan(study_from({**study_dict, "grid": [grid], "archs": archs}))["gpu_hours"]

    def passes(epochs: int) -> float:
        """Passes over examples: a training step is three, each epoch is validated, all is predicted."""
        return 3 * 1258 * epochs + 1258 + 178 * (epochs + 1) + 361

    dense = hours([])
    assert hours(["IMP-WR"], rewind_epochs=2) / dense == pytest.approx(1 + passes(6) / passes(4))
    assert hours(["MP"], rewind_epochs=2) == pytest.approx(hours(["MP"]))
    for pruner, epochs in (("RP-AI", 4), ("MP", 4), ("IMP-WR", 12)):
        assert hours([pruner]) / dense == pytest.approx(1 + passes(epochs) / passes(4))
    assert hours(["IMP-FT"], finetune_epochs=2) / dense == pytest.approx(1 + passes(6) / passes(4))
    assert hours(["IMP-WR"], finetune_epochs=2) == pytest.approx(hours(["IMP-WR"]))
    assert hours(["RP-AI"], finetune_epochs=2) == pytest.approx(hours(["RP-AI"]))


def test_blocks_that_stand_are_counted_as_they_are(study_dict, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    study = study_from(study_dict)
    before = make_plan(study)["jobs"]
    path = fill(Layout("results").model("metrics.json"), study.cells[0], "0-4")
    (tmp_path / path).parent.mkdir(parents=True)
    (tmp_path / path).write_text("{}")
    assert make_plan(study)["jobs"] == before - 2


def test_the_pie_papers_architectures(study_dict):
    prose = study_dict["datasets"]["prose"]
    grid = [
        {"datasets": ["prose"], "archs": ["bert", "bilstm"], "pruners": ["IMP-WR"], "sparsities": [0.2, 0.7]}
    ]
    archs = {"bert": {"family": "encoder"}, "bilstm": {"family": "bilstm"}}
    plan = make_plan(
        study_from({"name": "pie", "seeds": [0], "datasets": {"prose": prose}, "archs": archs, "grid": grid})
    )
    bert, bilstm = plan["networks"]
    assert (bert["n_parameters"], bilstm["n_parameters"]) == (109_483_778, 647_810)
    assert f"{bert['share_removed']['0.2']:.1%}" == "15.6%"
    assert f"{bilstm['share_removed']['0.7']:.1%}" == "69.6%"


def test_a_ratio_that_cannot_be_reached(study_dict):
    study_dict["grid"][1]["ratios"] = [30]
    study = study_from(study_dict)
    for look in (make_plan, check_ratios):
        with pytest.raises(
            UserError, match=r"grid: lenet5 on numbers: ratio 30: asks for .* choose a ratio below 19\.88"
        ):
            look(study)


def test_a_ratio_that_leaves_no_filter(study_dict):
    study_dict["grid"][1].update(pruners=["CHIP"], ratios=[500])
    for look in (make_plan, check_ratios):
        with pytest.raises(
            UserError, match=r"grid: lenet5 on numbers: ratio 500: with one filter left in each layer"
        ):
            look(study_from(study_dict))


def test_the_recall_papers_whole_grid():
    """Tables 12 and 13 among it: ten models at each of 20 levels, 15 at each of four ratios."""
    study = load_study(Path(__file__).parents[3] / "studies" / "recall.yaml")
    models = {name: sum(len(c.seeds) for c in study.cells if c.pruner == name) for name in ("LTH", "CHIP")}
    assert models == {"LTH": 200, "CHIP": 60}
    # 30,000 steps a level, of batches of 128 of nine tenths of 50,000 images.
    assert study.training("cifar10", "resnet56").rewind_epochs == round(30_000 / -(-45_000 // 128))
    plan = make_plan(study)
    others = 30 * (2 * (1 + 5) + 4 * (1 + 2 * 7) + (1 + 4 * 7) + (1 + 2 * 5))
    # UP-derived and GP-derived at seven ratios, and the controls of LTH.
    assert plan["models"] == others + 260 + 30 * 2 * 7 + 10 == 4050
    model = next(n for n in plan["networks"] if (n["dataset"], n["arch"]) == ("cifar10", "resnet56"))
    shares = list(model["share_removed"].values())
    total, size = model["n_parameters"], model["n_prunable"]
    for level in range(1, 21):
        assert round(size * (1 - 0.8**level)) / total in shares
    for ratio in (1.75, 3.33, 8.27, 19.11):
        closest = min(shares, key=lambda share: abs(1 / (1 - share) - ratio))
        assert 1 / (1 - closest) == pytest.approx(ratio, rel=0.012)
    assert len(shares) == 20 + 7 + 4


def test_ratios_that_can_be_reached(study_dict):
    check_ratios(study_from(study_dict))


def test_unknown_text_lengths_do_not_stop_a_plan(study_dict):
    study_dict["datasets"]["prose"]["max_tokens"] = None
    study_dict["archs"]["bert"] = {"family": "encoder", "hidden": 8, "heads": 2, "layers": 1, "positions": 64}
    study_dict["grid"][2]["archs"] = ["bert"]
    assert make_plan(study_from(study_dict))["networks"][1]["arch"] == "bert"


def test_as_json_and_as_text(study_dict, tmp_path, monkeypatch, capsys, plan):
    import yaml

    (tmp_path / "study.yaml").write_text(yaml.safe_dump(study_dict))
    assert main(["plan", "--configfile", "study.yaml", "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed == plan
    keys = {"models", "dense_models", "pruned_models", "jobs", "gpu_hours", "disk_gb", "networks"}
    assert keys <= set(printed)
    assert main(["plan", "--configfile", "study.yaml"]) == 0
    text = capsys.readouterr().out
    assert text.rstrip("\n") == plan_text(plan)
    assert "small: 26 models (8 dense, 18 pruned) in 42 jobs" in text
    assert "lenet5 on numbers" in text
    assert "21,386" in text
    assert "21,386        20,310   ratio 4: 75.0%\n" in text
    assert f"\n{'':<67}sparsity 50%: 47.5%, 90%: 85.5%\n" in text
    assert text.count("sparsity 70%: 58.5%") == 1


def test_text_in_human_units(plan):
    row = dict(plan["datasets"][0], gpu_hours=0.004, disk_gb=2345.6, tables_gb=0.9996)
    work = dict(plan["work"][0], gpu_hours=0.9, job_minutes=[0.2, 90], eflop=4e-7, eflop_computed=5e-6)
    removals = [removed("level", 3, 0.4), removed("ratio", 8.27, 0.88, "filters"), removed("ratio", 10, 0.9)]
    network = dict(plan["networks"][0], removed=removals)
    dense = dict(plan["networks"][1], removed=[])
    big = {
        **plan,
        "gpu_hours": 0.001,
        "disk_gb": 2345.6,
        "tables_gb": 12.34,
        "datasets": [row],
        "work": [work],
    }
    text = plan_text({**big, "networks": [network, dense]})
    for part in (
        "\nless than a minute on ",
        "\nabout 2.35 TB on disk, 12.3 GB of it prediction tables",
        "< 1 min     2.35 TB          1 GB\n",
        f"level 3: 40.0%\n{'':<67}ratio (filters) 8.27: 88.0%\n{'':<67}ratio 10: 90.0%\n",
    ):
        assert part in text
    assert "400 GFLOP 5 TFLOP 54 min < 1 min - 1.5 h" in " ".join(text.split())
    # A model that is not pruned has its counts alone.
    assert text.endswith(f"{dense['n_parameters']:>14,}{dense['n_prunable']:>14,}")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0 B"),
        (999.4, "999 B"),
        (999.6, "1 kB"),
        (1.5e6, "1.5 MB"),
        (2.3456e12, "2.35 TB"),
        (5e21, "5e+03 EB"),
    ],
)
def test_quantities(value, text):
    assert quantity(value, "B") == text


def test_declared_counts_of_digits_are_the_real_ones():
    digits = Digits(source="digits")
    tables, facts = digits.build("numbers").tables, digits.declared()
    assert {split: len(table.labels) for split, table in tables.items()} == {
        "train": facts.train,
        "validation": facts.validation,
        "test": facts.test,
    }
    assert len(tables["train"].info.classes) == facts.classes
    assert tables["train"].info.image_shape == facts.image


def test_declared_counts_of_docstrings_add_up():
    facts = Docstrings(source="docstrings", per_library=33, libraries=("numpy", "scipy", "torch")).declared()
    assert facts.train + facts.validation + facts.test == 99
    assert facts.classes == 3


#: Table 5 of the PIE paper, and the shares it prints for these compression levels, in percent.
TABLE_5 = {
    "bilstm": ((647_810, 647_939, 650_519, 654_518), (20, 50, 69, 89, 98)),
    "bert": ((109_483_778, 109_484_547, 109_499_927, 109_523_766), (15, 39, 55, 70, 77)),
}


def test_the_pie_papers_whole_grid():
    study = load_study(Path(__file__).parents[3] / "studies" / "pie.yaml")
    assert all(study.training(d, a).clip_norm == 1 for d in study.datasets for a in study.archs)
    assert study.training("imdb", "bilstm").epochs == 26
    plan = make_plan(study)
    assert (plan["models"], plan["dense_models"], plan["pruned_models"]) == (9840, 240, 9600)
    for number, dataset in enumerate(("imdb", "snli", "reuters", "aapd")):
        for arch, (parameters, shares) in TABLE_5.items():
            model = next(n for n in plan["networks"] if (n["dataset"], n["arch"]) == (dataset, arch))
            assert model["n_parameters"] == parameters[number]
            found = [100 * share for share in model["share_removed"].values()]
            assert found == pytest.approx(shares, abs=1)


def test_declared_counts_of_cut_data_sets():
    facts = Reuters(source="reuters", path="somewhere", max_examples=1435).declared()
    assert (facts.train, facts.validation, facts.test, facts.classes) == (1435, 1435, 1429, 23)
    assert facts.tokens == 256
