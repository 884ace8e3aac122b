"""Studies that are refused, each with one line that names the key; and what a valid one expands to."""

from __future__ import annotations

import copy
import json
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from prunescope.config.compression import DENSE, Compression
from prunescope.config.grid import Cell
from prunescope.config.jobs import ModelJob, model_job
from prunescope.config.load import json_schema, load_study, read_yaml, study_from
from prunescope.config.pruners import PRUNERS
from prunescope.config.study import RESERVED
from prunescope.errors import Problems, UserError

ROOT = Path(__file__).parents[3]
SCHEMA = ROOT / "workflow" / "schemas" / "config.schema.json"


def changed(study: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """A copy with the key at the dotted ``path`` set, or deleted where ``value`` is ``...``."""
    study = copy.deepcopy(study)
    *parents, last = (int(part) if part.isdigit() else part for part in path.split("."))
    place: Any = study
    for part in parents:
        place = place[part]
    if value is ...:
        del place[last]
    else:
        place[last] = value
    return study


#: key to change, value, the line's beginning (after the file's name), what it must tell
REFUSED = [
    ("colour", 1, "colour: unknown key", "keep_models"),
    ("archs.lenet5.hidden", 1, "archs.lenet5.hidden: unknown key", "family, training, block"),
    ("archs.bilstm.hiden", 1, "archs.bilstm.hiden: unknown key", "hidden"),
    ("archs.lenet5.training.epohcs", 1, "archs.lenet5.training.epohcs: unknown key", "epochs, batch_size"),
    ("datasets.numbers.labels", "library", "datasets.numbers.labels: unknown key", "source"),
    ("grid.0.sparsity", [0.5], "grid.0.sparsity: unknown key", "sparsities"),
    ("analysis", {"bin": 3}, "analysis.bin: unknown key", "bins"),
    ("pruners.mine.round", 3, "pruners.mine.round: unknown key", "rounds"),
    ("archs.lenet5.family", "vgg", "archs.lenet5.family: unknown 'vgg'", "lenet5, resnet, bilstm, encoder"),
    ("archs.lenet5", {}, "archs.lenet5.family: required", "lenet5, resnet, bilstm, encoder"),
    ("datasets.numbers", {}, "datasets.numbers.source: required", "digits, docstrings"),
    ("datasets.numbers.source", "svhn", "datasets.numbers.source: unknown 'svhn'", "digits, docstrings"),
    ("name", ..., "name: required", ""),
    ("seeds", ..., "seeds: required", ""),
    ("seeds", [], "seeds: must not be empty", ""),
    ("seeds", "[0,1]", "seeds: must be a list", "[0,1]"),
    ("seeds", [0, 1, 0], "seeds: 0 is listed twice", "once"),
    ("seeds", [-1], "seeds.0: must be greater than or equal to 0", "-1"),
    ("seeds", [0.5], "seeds.0: must be a whole number", "0.5"),
    ("seeds", [True], "seeds: must not be true or false", ""),
    ("archs.lenet5.training.epochs", "many", "archs.lenet5.training.epochs: must be a whole number", "many"),
    ("archs.lenet5.training.epochs", True, "archs.lenet5.training.epochs: must not be true", ""),
    ("archs.lenet5.training.lr", float("inf"), "archs.lenet5.training.lr: must be a finite number", "inf"),
    ("archs.lenet5.training.lr", float("nan"), "archs.lenet5.training.lr: must be", "nan"),
    ("archs.lenet5.training.optimizer", "lion", "archs.lenet5.training.optimizer: must be", "'adam'"),
    ("archs.lenet5.training", [1], "archs.lenet5.training: must be a mapping", ""),
    ("archs.lenet5.training.milestones", [1.5], "archs.lenet5.training.milestones.0: must be less", "1.5"),
    ("archs.bilstm.head", [0], "archs.bilstm.head.0: must be greater than or equal to 1", "0"),
    (
        "archs.bilstm",
        {"family": "encoder", "hidden": 10, "heads": 3},
        "archs.bilstm.hidden: 10 is not a multiple of heads (3)",
        "",
    ),
    ("weight_statistics", ["vgg"], "weight_statistics: unknown arch 'vgg'", "lenet5"),
    ("weight_statistics", ["lenet5", "lenet5"], "weight_statistics: lenet5 is listed twice", "once"),
    ("weight_statistics", True, "weight_statistics: must not be true or false", ""),
    ("keep_models", 3, "keep_models: must be true or false", "3"),
    ("results", "", "results: must not be empty", ""),
    ("results", "/", "results: must name a folder", ""),
    ("results", "out{x}", "results: must name a folder", "braces"),
    ("results", "-out", "results: must name a folder", "dash"),
    ("datasets.prose.libraries", ["numpy", "numpy"], "datasets.prose.libraries: numpy is listed twice", "once"),
    ("grid.0.sparsities", [1.2], "grid.0.sparsities.0: must be less than 1", "1.2"),
    ("grid.0.sparsities", [1], "grid.0.sparsities.0: must be less than 1", "1"),
    ("grid.0.sparsities", [0], "grid.0.sparsities.0: must be greater than 0", "0"),
    ("grid.0.sparsities", [0.12345], "grid.0.sparsities: 0.12345 has more decimals", "0.001"),
    ("grid.0.sparsities", [0.5, 0.50], "grid.0.sparsities: 0.5 is listed twice", ""),
    ("grid.0.sparsities", [], "grid.0: pruners need sparsities, ratios or levels", ""),
    ("grid.0.ratios", [2], "grid.0: give sparsities, ratios or levels, not sparsities and ratios", ""),
    ("grid.0.levels", 3, "grid.0: give sparsities, ratios or levels, not sparsities and levels", ""),
    ("grid.1.ratios", [1], "grid.1.ratios.0: must be greater than 1", "1"),
    ("grid.1.ratios", [float("inf")], "grid.1.ratios.0: must be a finite number", ""),
    ("grid.1.ratios", [2.123], "grid.1.ratios: 2.123 has more decimals", "0.01"),
    ("grid.1.seeds", [], "grid.1.seeds: the list is empty", "leave it out"),
    ("grid.1.seeds", [3, 3], "grid.1.seeds: 3 is listed twice", ""),
    ("grid.0.pruners", ["IMP-XX"], "grid.0.pruners: unknown name 'IMP-XX'", ", ".join([*PRUNERS, "mine"])),
    ("grid.0.pruners", ["MP", "MP"], "grid.0.pruners: MP is listed twice", ""),
    ("grid.0.pruners", ["LTH"], "grid.0: pruner 'LTH' prunes level by level", "give `levels`"),
    (
        "grid.0",
        {"datasets": ["numbers"], "archs": ["lenet5"], "pruners": ["LTH", "MP"], "levels": 3},
        "grid.0: levels are for pruners with `schedule: levels`, which 'MP' does not have",
        "another grid entry",
    ),
    (
        "grid.0",
        {"datasets": ["numbers"], "archs": ["lenet5"], "pruners": ["LTH"], "levels": 0},
        "grid.0.levels: must be greater than or equal to 1",
        "0",
    ),
    ("grid.0.pruners", ["CHIP"], "grid.0: pruner 'CHIP' removes whole filters", "give `ratios`"),
    (
        "grid.2",
        {"datasets": ["prose"], "archs": ["bilstm"], "pruners": ["CHIP"], "ratios": [2]},
        "grid.2: pruner 'CHIP' removes filters, which arch 'bilstm' does not have",
        "lenet5, resnet",
    ),
    ("pruners.mine.level_fraction", 1.0, "pruners.mine.level_fraction: must be less than 1", "1.0"),
    ("pruners.mine.criterion", "channel-independence", "pruners.mine.structure: channel-independence is", "filters"),
    ("pruners.mine.structure", "filters", "pruners.mine.scope: filters of different layers", "use layer"),
    ("pruners.mine.schedule", "levels", "pruners.mine.rounds: only an iterative schedule has rounds", ""),
    ("grid.0.pruners", ["none"], "grid.0.pruners: unknown name 'none'", "IMP-WR"),
    ("grid.0.archs", ["resnet"], "grid.0.archs: unknown name 'resnet'", "lenet5, bilstm"),
    ("grid.0.datasets", ["mnist"], "grid.0.datasets: unknown name 'mnist'", "numbers, prose"),
    ("grid.0.datasets", ["numbers", "prose"], "grid.0: arch 'lenet5' takes images but data set 'prose'", "texts"),
    ("grid.2.archs", ["lenet5"], "grid.2: arch 'lenet5' takes images but data set 'prose' has texts", "different"),
    ("grid.0.archs", ["bilstm"], "grid.0: arch 'bilstm' takes texts but data set 'numbers' has images", ""),
    ("grid", [], "grid: must not be empty", ""),
    ("grid", {}, "grid: must be a list", ""),
    ("datasets.train", {"source": "digits"}, "datasets.train: the name is taken by a target", ""),
    ("datasets.a/b", {"source": "digits"}, "datasets.a/b: names are letters, digits", ""),
    ("archs.-x", {"family": "lenet5"}, "archs.-x: names are letters", ""),
    ("pruners.a b", {"criterion": "magnitude", "schedule": "one-shot"}, "pruners.a b: names are", ""),
    ("pruners.MP", {"criterion": "magnitude", "schedule": "one-shot"}, "pruners.MP: the name is taken", ""),
    ("pruners.none", {"criterion": "magnitude", "schedule": "one-shot"}, "pruners.none: the name is taken", ""),
    ("pruners.mine.criterion", "size", "pruners.mine.criterion: must be one of", "impact, undecayed, random"),
    ("pruners.mine.criterion", ..., "pruners.mine.criterion: required", ""),
    ("pruners.mine.schedule", "one-shot", "pruners.mine.rounds: only an iterative schedule has rounds", ""),
    (
        "pruners.mine",
        {"criterion": "random", "schedule": "iterative", "recovery": "rewind"},
        "pruners.mine.recovery: rewound weights are no longer random",
        "fine-tune",
    ),
    ("pruners.mine.criterion", "pins", "pruners.mine.schedule: pins watches training; use gradual", "iterative"),
    ("pruners.mine.objective", "teacher", "pruners.mine.objective: must be 'task', 'distilled'", "teacher"),
    (
        "pruners.mine",
        {"criterion": "pst", "scope": "global", "schedule": "gradual", "gradual": {"warmup": 3}},
        "pruners.mine.gradual.warmup: unknown key (did you mean 'warm_up'?); allowed here: start, warm_up",
        "rank",
    ),
    (
        "pruners.mine",
        {
            "criterion": "pins",
            "scope": "global",
            "schedule": "gradual",
            "gradual": {"warm_up": 0.6, "cool_down": 0.5},
        },
        "pruners.mine.gradual.warm_up: with cool_down it takes 1.1 of all steps",
        "lower one of them",
    ),
    (
        "pruners.mine",
        {"criterion": "pins", "scope": "global", "schedule": "gradual", "gradual": {"cool_down": 1.5}},
        "pruners.mine.gradual.cool_down: 1.5 is neither a fraction",
        "",
    ),
    (
        "pruners.mine",
        {"criterion": "platon", "scope": "global", "schedule": "gradual", "gradual": {"beta1": 0}},
        "pruners.mine.gradual.beta1: must be greater than 0",
        "",
    ),
    ("pruners.mine.rounds", True, "pruners.mine.rounds: must not be true or false", ""),
    (
        "datasets.numbers.training",
        {"lenet5": {"epohcs": 3}},
        "datasets.numbers.training.lenet5.epohcs: unknown key",
        "optimizer, lr, epochs",
    ),
    (
        "datasets.numbers.training",
        {"lenet5": {"epochs": 0}},
        "datasets.numbers.training.lenet5.epochs: must be greater than or equal to 1",
        "0",
    ),
    ("datasets.numbers.training", {"lenet": {}}, "datasets.numbers.training.lenet: unknown arch", "lenet5, bilstm"),
    ("datasets.numbers.training", {"lenet5": 3}, "datasets.numbers.training.lenet5: must be a mapping", "3"),
    ("analysis", {"confidence": 99}, "analysis.confidence: must be less than 1", "99"),
]  # fmt: skip


@pytest.mark.parametrize(("path", "value", "beginning", "tells"), REFUSED, ids=lambda v: str(v)[:40])
def test_refused_in_one_line_that_names_the_key(study_dict, path, value, beginning, tells):
    with pytest.raises(UserError) as caught:
        study_from(changed(study_dict, path, value), "config.yaml")
    line = str(caught.value)
    assert line.startswith(f"config.yaml: {beginning}"), line
    assert tells in line
    assert "\n" not in line
    assert len(line) < 350
    for jargon in ("pydantic", "tuple", "dictionary", "discriminator", "Input", "Value error"):
        assert jargon not in line


#: What a JSON schema can say; that names exist and fit together it cannot.
BEYOND_SCHEMA = re.compile(
    r"is listed twice|unknown name|takes (images|texts)|give sparsities|need sparsities|pruner '|levels are for|"
    r"the name is taken|"
    r"names are|not a multiple|more decimals|list is empty|iterative schedule|no longer random|"
    r"channel-independence is|filters of different|watches training|with cool_down it takes|neither a fraction|"
    r"unknown arch|training\.lenet5\.|must name a folder"
)


def valid_by_schema(study: dict[str, Any]) -> bool:
    return jsonschema.Draft202012Validator(json_schema()).is_valid(json.loads(json.dumps(study)))


@pytest.mark.parametrize(("path", "value", "beginning", "tells"), REFUSED, ids=lambda v: str(v)[:40])
def test_the_schema_refuses_what_schemas_can(study_dict, path, value, beginning, tells):
    study = changed(study_dict, path, value)
    finite = "inf" not in json.dumps(study).lower() and "nan" not in json.dumps(study).lower()
    if BEYOND_SCHEMA.search(beginning) is None and finite:
        assert not valid_by_schema(study)


def test_two_entries_may_not_list_the_same_cell(study_dict):
    study = changed(
        study_dict, "grid", [*study_dict["grid"], {**study_dict["grid"][0], "pruners": ["IMP-WR"]}]
    )
    with pytest.raises(UserError) as caught:
        study_from(study)
    assert str(caught.value) == (
        "config: grid: numbers, lenet5, IMP-WR, sparsity 0.5 is listed by two entries; keep it in one"
    )


def test_every_problem_has_a_line(study_dict):
    study = changed(study_dict, "grid.0.sparsities", [1.2, 90])
    with pytest.raises(Problems) as caught:
        study_from(changed(study, "archs.bilstm.hiden", 3))
    assert caught.value.lines == [
        "config: archs.bilstm.hiden: unknown key (did you mean 'hidden'?); allowed here: family, training, block, "
        "prunable, start, replicas, together, hidden, layers, head, vectors, vectors_path, published_vectors, "
        "padding_vector, min_count",
        "config: grid.0.sparsities.0: must be less than 1 (not 1.2)",
        "config: grid.0.sparsities.1: must be less than 1 (not 90); did you mean 0.9?",
    ]


def test_problems_of_a_whole_study_have_lines_too(study_dict):
    study = changed(study_dict, "grid.0.pruners", ["RP-AL"])
    study = changed(study, "weight_statistics", ["vgg"])
    with pytest.raises(Problems) as caught:
        study_from(changed(study, "seeds", [1, 1]))
    beginnings = [
        "seeds: 1 is listed twice",
        "weight_statistics: unknown arch",
        "grid.0.pruners: unknown name",
    ]
    assert [line.startswith(f"config: {b}") for line, b in zip(caught.value.lines, beginnings, strict=True)]
    assert "(did you mean 'RP-AI'?)" in caught.value.lines[2]


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("name: a\nseeds: [1]\nseeds: [2]\n", ["seeds: given in line 2 and in line 3; keep one of them"]),
        (
            "datasets:\n  a: {source: digits}\n  a: {source: digits}\nseeds: [010, 0_7]\n",
            [
                "a: given in line 2 and in line 3; keep one of them",
                "line 4: 010 is 8-based in YAML; write 10, or '010' for a name",
                "line 4: 0_7 is 8-based in YAML; write 7, or '0_7' for a name",
            ],
        ),
    ],
)
def test_yaml_that_nobody_means(tmp_path, text, lines):
    (tmp_path / "study.yaml").write_text(text)
    with pytest.raises(Problems) as caught:
        load_study(tmp_path / "study.yaml")
    assert caught.value.lines == [f"{tmp_path / 'study.yaml'}: {line}" for line in lines]


def test_merged_keys_and_plain_numbers_stand_in_yaml(study_dict, tmp_path):
    text = yaml.safe_dump({**study_dict, "seeds": [0, 10]})
    text = "x: &x {family: lenet5}\n" + text.replace(
        "  lenet5:\n", "  other:\n    <<: *x\n    block: 3\n  lenet5:\n"
    )
    (tmp_path / "study.yaml").write_text(text)
    with pytest.raises(Problems) as caught:
        load_study(tmp_path / "study.yaml")
    assert [line.partition(": ")[2][:14] for line in caught.value.lines] == ["x: unknown key"]


@pytest.mark.parametrize("raw", [None, 3, "x", [1]])
def test_what_is_no_mapping_is_refused(raw):
    with pytest.raises(UserError, match=r"config: must be a mapping"):
        study_from(raw)


def test_settings_from_the_command_line_arrive_as_strings(study_dict):
    """``--config 'seeds=[0,1]' keep_models=false``: Snakemake hands over ['0', '1'] and 'false'."""
    study = study_from({**study_dict, "seeds": ["0", "1"], "keep_models": "false"})
    assert study.seeds == (0, 1)
    assert study.keep_models is False
    with pytest.raises(UserError, match=r"seeds\.1: must be a whole number \(not 'x'\)"):
        study_from({**study_dict, "seeds": ["0", "x"]})


def test_scientific_notation_that_yaml_takes_for_text(study_dict):
    text = yaml.safe_dump(study_dict).replace("epochs: 4", "epochs: 4\n      lr: 1e-3")
    study = study_from(yaml.safe_load(text))
    assert study.archs["lenet5"].training.lr == 0.001


def test_files_that_cannot_be_read(tmp_path):
    path = tmp_path / "study.yaml"
    with pytest.raises(UserError, match=r"study\.yaml: no such configuration file"):
        load_study(path)
    path.write_text("a: [1\nb: 2\n")
    with pytest.raises(UserError, match=r"study\.yaml: not YAML") as caught:
        load_study(path)
    assert "\n" not in str(caught.value)
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError, match=r"study\.yaml: "):
        load_study(path)
    path.write_text("")
    with pytest.raises(UserError, match="must be a mapping"):
        load_study(path)
    with pytest.raises(UserError, match="cannot be read"):
        load_study(tmp_path)


def test_cells_by_hand(study_dict):
    half, most = Compression("sparsity", 500), Compression("sparsity", 900)
    all_seeds, later = (0, 1, 2, 3, 4), (2, 3, 4)
    assert study_from(study_dict).cells == (
        Cell("numbers", "lenet5", "none", DENSE, all_seeds),
        Cell("numbers", "lenet5", "IMP-WR", half, (0, 1, 2)),
        Cell("numbers", "lenet5", "IMP-WR", most, (0, 1, 2)),
        Cell("numbers", "lenet5", "RP-AI", half, (0, 1, 2)),
        Cell("numbers", "lenet5", "RP-AI", most, (0, 1, 2)),
        Cell("numbers", "lenet5", "MP", Compression("ratio", 400), later),
        Cell("prose", "bilstm", "none", DENSE, (0, 1, 2)),
        Cell("prose", "bilstm", "mine", Compression("sparsity", 700), (0, 1, 2)),
    )


def test_the_pie_papers_grid_is_9840_runs(study_dict):
    """2 LMs x 4 data sets x (8 pruners x 5 sparsities + dense) x 30 seeds (PIE paper, section 3)."""
    prose = study_dict["datasets"]["prose"]
    study = {
        "name": "pie",
        "seeds": list(range(30)),
        "datasets": dict.fromkeys(("imdb", "snli", "reuters", "aapd"), prose),
        "archs": {"bert": {"family": "encoder"}, "bilstm": {"family": "bilstm"}},
        "grid": [
            {
                "datasets": ["imdb", "snli", "reuters", "aapd"],
                "archs": ["bert", "bilstm"],
                "pruners": ["IIBP-WR", "IIBP-FT", "IBP-AI", "IMP-WR", "IMP-FT", "MP-AI", "IRP-FT", "RP-AI"],
                "sparsities": [0.2, 0.5, 0.7, 0.9, 0.99],
            }
        ],
    }
    cells = study_from(study).cells
    assert sum(len(cell.seeds) for cell in cells) == 2 * 4 * (8 * 5 + 1) * 30 == 9840
    assert Counter(cell.dense for cell in cells) == {True: 8, False: 320}


def test_training_of_a_data_set_changes_what_it_names(study_dict):
    study = study_from(changed(study_dict, "datasets.numbers.training", {"lenet5": {"lr": 0.5}}))
    training = study.training("numbers", "lenet5")
    assert (training.lr, training.epochs) == (0.5, 4)
    assert study.training("prose", "bilstm").lr == 0.001


def test_results_lose_a_final_slash(study_dict):
    assert study_from({**study_dict, "results": "out/"}).results == "out"


def test_the_schema_file_is_the_one_the_code_generates():
    assert json.loads(SCHEMA.read_text(encoding="utf-8")) == json_schema(), (
        "write it again: prunescope schema > workflow/schemas/config.schema.json"
    )
    assert SCHEMA.read_text(encoding="utf-8") == json.dumps(json_schema(), indent=2) + "\n"
    jsonschema.Draft202012Validator.check_schema(json_schema())


def test_the_schema_takes_valid_studies(study_dict):
    assert valid_by_schema(study_dict)
    studies = [ROOT / "config.yaml", *sorted((ROOT / "studies").glob("*.yaml"))]
    for path in studies:
        jsonschema.validate(yaml.safe_load(path.read_text(encoding="utf-8")), json_schema())
        load_study(path)


def test_the_embedded_study_has_every_pruner_arch_data_set_and_task():
    study = load_study(ROOT / "config.yaml")
    pruned = [cell for cell in study.cells if not cell.dense]
    assert {cell.pruner for cell in pruned} >= set(PRUNERS)
    assert {study.archs[cell.arch].family for cell in pruned} == {"lenet5", "bilstm", "encoder"}
    assert (
        {cell.dataset for cell in pruned}
        == set(study.datasets)
        >= {"digits", "docstrings", "docstrings-topics"}
    )
    for dataset in study.datasets:
        assert len({cell.pruner for cell in pruned if cell.dataset == dataset}) >= 4
        assert len({cell.compression for cell in pruned if cell.dataset == dataset}) >= 2
    assert all(len(cell.seeds) >= 4 for cell in study.cells)


def test_no_data_set_can_be_named_as_a_rule():
    text = "\n".join(
        path.read_text(encoding="utf-8")
        for path in [ROOT / "workflow/Snakefile", *ROOT.glob("workflow/rules/*.smk")]
    )
    rules = set(re.findall(r"^(?:rule|use rule \w+ as) (\w+)(?::| with:)", text, flags=re.MULTILINE))
    assert {"train", "prune", "all"} <= rules
    assert rules <= RESERVED


def test_reading_a_study_imports_nothing_heavy():
    code = (
        "import sys, prunescope.config.load, prunescope.paths, prunescope.config.jobs;"
        "sys.exit(' '.join({'torch', 'numpy', 'pandas', 'transformers', 'sklearn'} & set(sys.modules)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_texts_longer_than_a_model_can_take_are_refused(study_dict):
    study_dict["archs"]["bert"] = {"family": "encoder", "positions": 12}
    study_dict["grid"][2]["archs"] = ["bert"]
    with pytest.raises(
        UserError, match=r"grid\.2: data set 'prose' has texts of up to 16 tokens .* only 12 pos"
    ):
        study_from(study_dict)
    # Where texts are cut as they come, only they can tell.
    study_dict["datasets"]["prose"]["max_tokens"] = None
    study_from(study_dict)


def test_tests_compare_only_what_the_grid_has(study_dict: dict[str, Any]) -> None:
    study_dict["analysis"] = {"tested_amounts": [4, 0.5], "correction": "holm", "equal_variances": True}
    assert study_from(study_dict).analysis.tested_amounts == (4, 0.5)
    study_dict["analysis"] = {"tested_amounts": [4, 5]}
    with pytest.raises(
        UserError, match=r"analysis.tested_amounts: 5 is in no grid entry; there are 0.5, 0.7, 0.9, 4"
    ):
        study_from(study_dict)
    study_dict["analysis"] = {"tested_amounts": [4, 4]}
    with pytest.raises(UserError, match="tested_amounts"):
        study_from(study_dict)


def test_settings_of_the_analysis_are_not_part_of_a_model(study_dict: dict[str, Any]) -> None:
    plain = study_from(study_dict)
    changed = study_from({**study_dict, "analysis": {"correction": "holm", "equal_variances": True}})
    assert [model_job(plain, cell, cell.seeds) for cell in plain.cells] == [
        model_job(changed, cell, cell.seeds) for cell in changed.cells
    ]


def test_how_logits_are_stored_is_part_of_a_model_where_it_is_not_as_ever(study_dict: dict[str, Any]) -> None:
    plain, half = (study_from({**study_dict, **more}) for more in ({}, {"logits": "float16"}))
    cell = plain.cells[0]
    assert "logits" not in model_job(plain, cell, cell.seeds).model_dump(mode="json")
    settings = model_job(half, cell, cell.seeds).model_dump(mode="json")
    assert settings.pop("logits") == "float16"
    assert settings == model_job(plain, cell, cell.seeds).model_dump(mode="json")
    with pytest.raises(UserError, match="logits: must be 'float32' or 'float16'"):
        study_from({**study_dict, "logits": "float8"})


def test_levels_are_all_levels_up_to_a_number(study_dict: dict[str, Any]) -> None:
    entry = {"datasets": ["numbers"], "archs": ["lenet5"], "pruners": ["LTH"], "levels": 3, "seeds": [1, 0]}
    study = study_from({**study_dict, "grid": [entry]})
    assert [cell.compression.token for cell in study.cells if not cell.dense] == [
        "level-1",
        "level-2",
        "level-3",
    ]
    assert {cell.seeds for cell in study.cells} == {(0, 1)}
    with pytest.raises(UserError, match="LTH, level 1 is listed by two entries"):
        study_from({**study_dict, "grid": [entry, {**entry, "levels": 1}]})
    # A level is no ratio: the tests of alpha are not narrowed to it.
    with pytest.raises(UserError, match=r"tested_amounts: 2 is in no grid entry; there are none"):
        study_from({**study_dict, "grid": [entry], "analysis": {"tested_amounts": [2]}})


def test_settings_that_mean_nothing_for_a_pruner_are_not_part_of_its_models(
    study_dict: dict[str, Any],
) -> None:
    """What is there already is not trained again because a setting was added that it does not look at."""

    def dumped(pruner: str, compressions: dict[str, Any], **training: Any) -> dict[str, Any]:
        study_dict["archs"]["lenet5"]["training"] = {"epochs": 4, **training}
        entry = {"datasets": ["numbers"], "archs": ["lenet5"], "pruners": [pruner], **compressions}
        study = study_from({**study_dict, "grid": [entry]})
        return model_job(study, study.cells[-1], (0,)).model_dump(mode="json")

    known = {
        "criterion", "scope", "schedule", "rounds", "recovery", "gradient_batches", "gradient_batch_size",
        "gradient", "decay",
    }  # fmt: skip
    mp, lth, chip = (
        dumped("MP", {"ratios": [2]}),
        dumped("LTH", {"levels": 1}),
        dumped("CHIP", {"ratios": [2]}),
    )
    assert set(mp["composition"]) == known
    assert set(lth["composition"]) == {*known, "level_fraction"}
    assert set(chip["composition"]) == {*known, "structure", "layer_shares", "map_batches", "map_batch_size"}
    assert "rewind_epochs" not in mp["training"]
    assert dumped("MP", {"ratios": [2]}, rewind_epochs=9) == mp
    assert dumped("LTH", {"levels": 1}, rewind_epochs=9)["training"]["rewind_epochs"] == 9
    assert dumped("LTH", {"levels": 1}, finetune_epochs=9) == lth
    for job in (mp, lth, chip):
        assert ModelJob.model_validate_json(json.dumps(job)).model_dump(mode="json") == job


def test_the_old_name_of_levels_is_read_and_its_new_one_said(study_dict, capsys):
    raw = changed(
        study_dict, "pruners.old", {"criterion": "magnitude", "schedule": "ladder", "recovery": "rewind"}
    )
    pruner = study_from(raw, "old.yaml").pruners["old"]
    assert pruner.in_levels
    assert pruner.model_dump()["schedule"] == "ladder"  # the text of jobs in old results trees
    assert capsys.readouterr().err.splitlines() == [
        "old.yaml: pruners.old.schedule: `ladder` is now called `levels`; the old name is still read"
    ]
    study_from(changed(raw, "pruners.old.schedule", "levels"))
    assert capsys.readouterr().err == ""


def test_exported_scores_are_of_data_sets_there_are_and_of_measured_archs(study_dict):
    assert study_from(
        study_dict | {"exported_scores": ["numbers"], "weight_statistics": ["bilstm"]}
    ).exported_scores
    with pytest.raises(UserError, match="exported_scores: unknown data set 'x'"):
        study_from(study_dict | {"exported_scores": ["x"], "weight_statistics": ["bilstm"]})
    with pytest.raises(UserError, match="exported_scores: are of archs in `weight_statistics`"):
        study_from(study_dict | {"exported_scores": ["numbers"]})


def test_configurations_that_explode_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "study.yaml"
    bomb = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"{new}: &{new} [{', '.join([f'*{old}'] * 10)}]\n"
        for old, new in zip("abcdefgh", "bcdefghi", strict=True)
    )
    for text, said in (
        (bomb, "anchors"),
        ("a: 1\nb: &a [*a]\n", r"line 2: its anchor \(&\) is used \(\*\) inside what it names"),
        ("a: " + "[" * 5000, "nested too deep"),
        ("#" * (5 << 20), "at most 4 MB"),
    ):
        path.write_text(text)
        with pytest.raises(UserError, match=said) as caught:
            load_study(path)
        assert len(str(caught.value).splitlines()) == 1
    path.write_text("defaults: &d {epochs: 3}\nx: {training: *d}\n")
    assert read_yaml(path)["x"] == {"training": {"epochs": 3}}


ODD = ["日本", "a\u202eb", "..", "../x", "a/b", "-x", "<b>", "a'b", "{x}", "$(x)", "a\x00b"]
KINDS = ("datasets", "archs", "pruners")


@pytest.mark.parametrize(
    ("kind", "name", "said"),
    [
        *((kind, name, f"{kind}.{name}: names are") for kind in KINDS for name in [*ODD, "", "a b", "a: b"]),
        *((kind, "x" * 300, f"{'x' * 60}...: 300 characters; names have at most 60") for kind in KINDS),
        *((key, "a\0b", f"{key}: must be one line of text") for key in ("name", "title", "results")),
        *((key, "a\nb", f"{key}: must be one line of text") for key in ("name", "title", "results")),
    ],
)
def test_names_that_folders_and_pages_cannot_have(study_dict, kind, name, said):
    if kind in ("name", "title", "results"):
        study_dict[kind] = name
    else:
        made = {
            "datasets": {"source": "digits"},
            "archs": {"family": "lenet5"},
            "pruners": {"criterion": "random", "schedule": "one-shot", "recovery": "fine-tune"},
        }
        study_dict.setdefault(kind, {})[name] = made[kind]
    with pytest.raises(UserError) as caught:
        study_from(study_dict)
    lines = str(caught.value).splitlines()
    assert said in lines[0]
    assert all(len(line) < 200 for line in lines)
