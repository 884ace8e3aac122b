"""``ps.audit`` of DataFrames and arrays is the command on files; ``ps.load_study`` reads what a study wrote."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from tests.support.fake_study import results_tree, study
from tests.unit.api.test_measures import votes

import prunescope as ps
from prunescope.cli import main
from prunescope.predictions.metadata import TableMeta
from prunescope.predictions.store import SeedBlock, write_predictions

NAMES = np.array(["None", "NA", "01", "否"])


def frame(y, side):
    seeds, n = side.shape
    return pd.DataFrame(
        {
            "seed": np.repeat(range(seeds), n),
            "example": np.tile(range(n), seeds),
            "label": np.tile(NAMES[y], seeds),
            "prediction": NAMES[side].ravel(),
        }
    )


def test_frames_arrays_and_files_give_the_same(tmp_path):
    y, dense, pruned = votes(n=80)
    for name, side in (("dense", dense), ("pruned", pruned)):
        frame(y, side).to_csv(tmp_path / f"{name}.csv", index=False)
    files = [f"{tmp_path}/{name}.csv" for name in ("dense", "pruned")]
    assert main(["audit", "--dense", files[0], "--pruned", files[1], "--out", str(tmp_path / "out")]) == 0
    said = json.loads((tmp_path / "out" / "summary.json").read_text())
    expected = pd.read_csv(tmp_path / "out" / "classes.csv", keep_default_na=False, na_values=[""])
    for result in (
        ps.audit(frame(y, dense), frame(y, pruned)),
        ps.audit(NAMES[dense], NAMES[pruned], labels=NAMES[y]),
        ps.audit(*files),
    ):
        for name in ("n_examples", "n_seeds", "n_pies", "dense_score", "pruned_score", "alpha", "mcnemar"):
            assert result.summary[name] == said[name]
        assert result.classes["class"].tolist() == expected["class"].tolist() == sorted(NAMES)
        assert result.classes["recall_pruned"].tolist() == pytest.approx(expected["recall_pruned"].tolist())
        assert result.pies["is_pie"].sum() == said["n_pies"]
        assert len(result.alpha) == 5
    assert "/tmp" not in json.dumps(result._repr_html_())


def test_logits_texts_groups_and_early():
    y, dense, pruned = votes(n=60, seeds=3)
    eye, draw = np.eye(4), np.random.default_rng(1)
    logits = [3 * eye[side] + draw.normal(size=(3, 60, 4)) for side in (dense, pruned)]
    result = ps.audit(
        *logits,
        labels=NAMES[y],
        classes=NAMES,
        early=logits[0],
        texts=[f"This is the sentence of number {i}." for i in range(60)],
        groups={"half": np.arange(60) % 2},
    )
    assert {"el2n", "readability", "groups", "certainty"} <= set(result.tables)
    assert result.el2n_scores["el2n"].to_numpy() == pytest.approx(ps.el2n(y, logits[0]))
    assert result.groups["n_examples"].tolist() == [30, 30]
    assert result.summary["kl_mean"] > 0
    assert result.summary["sources"] == {"dense": ["dense"], "pruned": ["pruned"], "early": ["early"]}
    as_frame = [
        pd.DataFrame({"label": NAMES[y], "example": range(60), "logits": list(one[0])}) for one in logits
    ]
    alone = ps.audit(*as_frame, classes=NAMES)
    assert alone.scores["score_dense"].tolist() == result.scores["score_dense"].tolist()[:1]


def test_several_labels_and_numbers():
    y = np.random.default_rng(0).integers(0, 2, (40, 3))
    several = ps.audit(y, 1 - y, labels=y, classes=["a", "b", "c"])
    assert (several.summary["task"], several.summary["n_pies"]) == ("multi-label", 40)
    numbers = np.linspace(0.05, 1, 40)
    score = ps.audit(numbers, numbers[::-1], labels=numbers)
    assert score.summary["task"] == "regression"
    assert not hasattr(score, "alpha")


def test_several_compressed_models_are_a_suite(tmp_path):
    y, dense, pruned = votes(n=60)
    result = ps.audit(frame(y, dense), {"int8": frame(y, dense), "int4": frame(y, pruned)})
    assert result.matrix["model"].tolist() == ["int8", "int4"]
    assert result.models["int8"]["task"].summary["n_pies"] == 0
    assert "int4" in result._repr_html_()
    assert "<html" in result.report(tmp_path).read_text()[:200]


def test_results_are_kept_where_asked(tmp_path):
    y, dense, pruned = votes(n=30)
    result = ps.audit(dense, pruned, labels=y, out=tmp_path / "kept", margin=0.01)
    assert (tmp_path / "kept" / "classes.csv").exists()
    assert result.missed
    assert (
        result.report(tmp_path / "page.html").read_text() == (tmp_path / "kept" / "report.html").read_text()
    )
    result.save(tmp_path / "copy")
    with pytest.raises(ps.UserError, match="is there already"):
        result.save(tmp_path / "copy")


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda f: ps.audit("nowhere.csv", f), "nowhere.csv: no such file"),
        (lambda f: ps.audit([0, 1], [0, 1]), "give labels="),
        (lambda f: ps.audit([[0, 1, 1]], [0, 1], labels=[0, 1]), r"shape \(1, 3\) does not fit 2 labels"),
        (lambda f: ps.audit(f, f, nonsense=1), "'nonsense' is no option"),
        (
            lambda f: ps.audit([0, 1], [0, 1], lables=[0, 1]),
            r"'lables' is no option \(did you mean 'labels'\?\)",
        ),
        (lambda f: ps.audit(f, f, groups="office"), "^groups=: no column 'office' in dense, pruned"),
        (
            lambda f: ps.audit(f, f.drop(columns="prediction")),
            "^pruned: no column 'prediction'.*prediction=$",
        ),
        (lambda f: ps.audit(object(), f), "object holds no predictions"),
        (lambda f: ps.audit(f, {"a/b": f}), "no name of a model"),
    ],
)
def test_what_cannot_be_compared_is_said(call, said):
    y, dense, _ = votes(n=20, seeds=1)
    with pytest.raises(ps.UserError, match=said):
        call(frame(y, dense))


def test_a_study(tmp_path):
    settings = study()
    tree = results_tree(tmp_path, settings, n=40)
    cell = next(cell for cell in settings.cells if not cell.dense)
    folder = (
        tmp_path / "models" / cell.dataset / cell.arch / cell.pruner / cell.compression.token / "seeds-0-1"
    )
    where = {"dataset": cell.dataset, "arch": cell.arch, "pruner": cell.pruner, "split": "test"}
    meta = TableMeta("single-label", ("NA", "b"), sparsity=0.9, epoch="final", **where)
    logits = np.array([[1.0, 2.0], [2.0, 1.0], [0.0, 1.0]])
    write_predictions(
        folder / "test.parquet", meta, [SeedBlock(s, np.array([0, 1, 1]), logits) for s in (0, 1)]
    )

    found = ps.load_study(str(tmp_path))
    assert set(found) == set(found.tables) >= {"pie_share", "effectiveness", "readability"}
    shares = found.pie_share
    assert shares.equals(found["pie_share"])
    assert len(shares) == len(tree["cells"])
    assert shares["pie_share"].tolist() == pytest.approx((shares["n_pies"] / shares["n_examples"]).tolist())
    assert set(found.effectiveness["pruner"]) >= {"none", cell.pruner}
    told = found.predictions(cell.dataset, pruner=cell.pruner)
    assert told[["seed", "example", "label"]].to_numpy().tolist() == [
        [s, e, label] for s in (0, 1) for e, label in enumerate((0, 1, 1))
    ]
    assert set(told["sparsity"]) == {0.9}
    assert np.stack(told["logits"]).tolist() == [*logits.tolist(), *logits.tolist()]
    row = shares.iloc[0]
    audit = found.audit(row["dataset"], row["arch"], row["pruner"], row["sparsity"])
    assert audit.summary["n_pies"] == row["n_pies"]
    assert audit.report(tmp_path / "cell.html").stat().st_size > 10_000
    with pytest.raises(ps.UserError, match=f"'zz': no predictions; there are {cell.dataset}"):
        found.predictions("zz")
    with pytest.raises(AttributeError, match="no such table"):
        found.nonsense  # noqa: B018
    with pytest.raises(ps.UserError, match="no such cell; there are sparsities"):
        found.audit(row["dataset"], row["arch"], row["pruner"], 0.123)


def test_what_is_no_study(tmp_path):
    with pytest.raises(ps.UserError, match="holds no tables and no models"):
        ps.load_study(tmp_path)


def test_import_is_light():
    heavy = "('torch', 'pandas', 'sklearn', 'pyarrow', 'numpy', 'pydantic', 'matplotlib')"
    code = f"import sys, prunescope as ps; dir(ps); print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
    assert set(ps.__all__) <= set(dir(ps))
    for name in ps.__all__:
        assert getattr(ps, name) is not None
    stub = Path(ps.__file__).with_suffix(".pyi").read_text()
    names = re.findall(r"^(?:from .* as (\w+)|(\w+): )", stub, re.MULTILINE)
    assert {first or second for first, second in names} == set(ps.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        ps.nonsense  # noqa: B018


def test_lists_of_names_beside_labels_are_predictions():
    found = ps.audit(["a ", "b"], ["a ", "a "], labels=["a ", "b"], classes=["b", "a "]).summary
    assert (found["dense_score"], found["pruned_score"]) == (1.0, 0.5)
    assert found["read"]["classes"] == ["b", "a "]
