"""The tables and figures of the PIE paper, as it lays them out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from prunescope.figures.style import pretty_metric
from prunescope.papers.layout import Cell, Column, Csv, Figure, Paper, Table, View
from prunescope.papers.results import Inputs, Record, grouped, models
from prunescope.papers.wording import count, decimal, percent, spread, yes

_PRUNER = Column("pruner", lambda r: r["pruner"], "name")
_MARKS = ("pruned_better", "pruned_above_all", "unpruned_above_all")


def extremes(scores: Mapping[str, float]) -> dict[str, str]:
    """``best`` and ``worst`` pruner of one data set, architecture and compression level (Tables 4 and 9).

    Several share a mark where their scores are equal; none has one where all scores are.

    Args:
        scores: mean accuracy or F1 by pruner.
    """
    if not scores or min(scores.values()) == max(scores.values()):
        return dict.fromkeys(scores, "")
    marks = {max(scores.values()): "best", min(scores.values()): "worst"}
    return {pruner: marks.get(score, "") for pruner, score in scores.items()}


def _marked(inputs: Inputs, **columns: tuple[str, str]) -> list[dict[str, Any]]:
    """Records with the ``mark`` of their pruner."""
    records = inputs.results.records(**columns)
    for line in grouped(records, "setup, compression"):
        marks = extremes(inputs.results.scores(line[0]["setup"], line[0]["compression"]))
        for record in line:
            record["mark"] = marks.get(record["pruner"], "")
    return records


def pie_shares(inputs: Inputs) -> list[dict[str, Any]]:
    """Table 4. A row's noise floor is the mean of its cells': they share their dense models but for dropped seeds."""
    records = _marked(
        inputs,
        share=("pie_share", "pie_share"),
        floor=("pie_intervals", "noise_floor"),
        verdict=("pie_intervals", "verdict"),
    )
    for line in grouped(records, "dataset, arch, pruner"):
        floor = _mean([record["floor"] for record in line if record["floor"] is not None])
        for record in line:
            record["noise_floor"] = floor
    return records


def effectiveness(inputs: Inputs) -> list[dict[str, Any]]:
    """Table 9."""
    columns = {name: ("effectiveness", name) for name in ("mean", "std")}
    records = _marked(inputs, **columns, **{f"dense_{name}": column for name, column in columns.items()})
    for record in records:
        record["best"] = yes(record["mark"] == "best")
        record["unpruned mean"], record["unpruned std"] = record["dense_mean"], record["dense_std"]
    return records


def on_pies(inputs: Inputs) -> list[dict[str, Any]]:
    """Table 10: scores of pruned and dense models on the same PIEs, and what it prints blue and bold."""
    records = inputs.results.records(
        pruned=("effectiveness_on_pies", "pruned"),
        dense=("effectiveness_on_pies", "dense"),
        pruned_on_all=("effectiveness", "mean"),
        dense_on_all=("effectiveness", "mean"),
    )
    for record in records:
        record |= marks_on_pies(record)
    return records


def marks_on_pies(scores: Record) -> dict[str, str]:
    """Blue: pruned models beat dense ones on the PIEs. Bold: models score higher on the PIEs than on all examples."""
    pairs = (("pruned", "dense"), ("pruned", "pruned_on_all"), ("dense", "dense_on_all"))
    values = ((scores[one], scores[other]) for one, other in pairs)
    return {
        mark: yes(None not in pair and pair[0] > pair[1]) for mark, pair in zip(_MARKS, values, strict=True)
    }


def parameters(inputs: Inputs) -> list[dict[str, Any]]:
    """Tables 5 and 6: as counted in the models of all pruners at one level, diverged ones left out.

    Raises:
        UserError: a cell's ``models.json`` cannot be read.
    """
    results, records = inputs.results, []
    for setup in results.setups:
        known = _counted([results.dense_folders[setup]] if setup in results.dense_folders else [])
        own = []
        for level in results.compressions(setup):
            cells = (cell for cell in results.folders if (cell.setup, cell.compression) == (setup, level))
            found = _counted(results.folders[cell] for cell in cells)
            known += found
            shares = [1.0 - 1.0 / float(model["ratio"]) for model in found]
            left = _mean([float(model["parameters"]) / float(model["ratio"]) for model in found])
            record = {"setup": setup, **setup._asdict(), "compression": level, "removed": _mean(shares)}
            record["range"] = f"{percent(min(shares), 2)} to {percent(max(shares), 2)}" if shares else ""
            own.append(record | {"remaining": None if left is None else round(left)})
        counts = {name: known[0].get(name) if known else None for name in ("parameters", "prunable")}
        records += [counts | record for record in own]
    return records


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None


def _counted(folders: Iterable[Path]) -> list[dict[str, Any]]:
    """Records of models that say how many parameters they have."""
    every = (model for folder in folders for model in models(folder) if not model.get("diverged"))
    return [model for model in every if model.get("parameters") and model.get("prunable")]


def datasets(inputs: Inputs) -> list[dict[str, Any]]:
    """Tables 2 and 7."""
    # Reads data tables with Arrow, which the workflow does not need for the list of files.
    from prunescope.papers.pie.datasets import datasets

    return datasets(inputs)


def _share(record: Record) -> Cell:
    share, verdict, mark = record["share"], record["verdict"], record["mark"]
    if share is None:
        return Cell(style=mark)
    return Cell(
        percent(share, 0 if share >= 0.0995 else 1) + {"?": " ?", "<": " <"}.get(verdict, ""),
        style=mark,
        mark="open-verdict" if verdict == "?" else "",
        after={"best": " +", "worst": " −"}.get(mark, ""),
    )


def _share_note(inputs: Inputs, records: Sequence[Record]) -> str:
    text = (
        "At each level, [swatch best:green +] marks the pruner with the best score that has run, [swatch worst:gray −] "
        "the one with the worst (Table 9). Equal scores share a mark; there is none where all are equal."
    )
    if any(record["floor"] is not None for record in records):
        text += (
            " Noise floor: the share of PIEs between two disjoint halves of the dense models, which pruning has to "
            "exceed. [open-verdict:Faint with ?]: not distinguished from the noise floor. **<**: below it."
        )
    return text


def _metric(record: Record) -> str:
    return pretty_metric(record["metric"] or "score")


def _scores(record: Record) -> str:
    dense = spread(record["unpruned mean"], record["unpruned std"])
    return _metric(record) + (f"; dense {dense}" if dense else "")


def _pruned_on_pies(record: Record) -> Cell:
    strong, better = record["pruned_above_all"], record["pruned_better"]
    return Cell(decimal(record["pruned"]), "strong" if strong else "", "better" if better else "")


def _dense_on_pies(record: Record) -> Cell:
    return Cell(decimal(record["dense"]), "strong" if record["unpruned_above_all"] else "")


def _counts(parameters: int | None, prunable: int | None) -> str:
    return f"{count(parameters)} parameters, {count(prunable)} of them prunable" if parameters else ""


def _by_level(*cells: Column, lead: Column = _PRUNER, row: str = "pruner", **more: Any) -> View:
    """A grid for each setup, with a column per compression level."""
    more["caption"] = lambda r: r["setup"].text
    return View([lead], row=row, grid="setup", column="compression", cells=cells, **more)


def _in_order(names: Iterable[str], numbers: Iterable[int]) -> dict[str, str]:
    return dict(zip(names, map(str, numbers), strict=True))


# fmt: off
PIE = Paper(
    "pie", "PIE", "Tropeano et al.",
    about="Which examples pruned and dense models disagree on, and how scores, influence on training and readability "
          "differ on these.",
    lead="Blank cells have not been run or have no value.",
    has=lambda inputs: bool(inputs.results.cells),
    pages={"disagreements.html": "Browse the disagreements"},
    contents=(
        Table(
            "1", "examples on which pruned and dense models disagree", "table-1-disagreements.parquet",
            "every example on which the majority votes disagree, of every cell",
            lambda inputs: inputs.disagreements.samples(per_setup=2),
            View([
                Column("example", lambda r: Cell(r["text"] or "(no text)", below=r["where"]), "text"),
                Column("dense models say", lambda r: r["votes"][0], "text"),
                Column("pruned models say", lambda r: r["votes"][1], "text"),
                Column("true class", lambda r: r["votes"][2], "text"),
            ]),
            note="Majority votes over seeds, on the test split. Of every architecture on a data set: the examples on "
                 "which the models of each side agree most.",
            empty="None: no cell has been analysed yet, or no majority vote differs.",
        ),
        Table(
            "2 and 7", "the data sets after preprocessing", "table-7-datasets.csv",
            "sizes, lengths and classes of the data sets (also Table 2)",
            datasets,
            View([
                Column("data set", lambda r: r["dataset"], "name"), Column("# train", lambda r: count(r["train"])),
                Column("# test", lambda r: count(r["test"])), Column("# val", lambda r: count(r["validation"])),
                Column("mean / median", lambda r: r["mean"] and f"{r['mean']:.0f} / {r['median']:g}"),
                Column("min / max", lambda r: r["max"] and f"{count(r['min'])} / {count(r['max'])}"),
                Column("std", lambda r: decimal(r["std"], 0)), Column("tokens 85%", lambda r: count(r["p85"])),
                Column("max tokens", lambda r: count(r["truncation"])),
                Column("# classes", lambda r: count(r["classes"])), Column("task", lambda r: r["task"], "name"),
                Column("classification", lambda r: r["classification"], "name"),
            ]),
            Csv("dataset, train, test, validation, mean, median, min, max, std, p85, truncation, classes, task, "
                "classification"),
            note="Lengths in tokens of the texts of all splits, as the BiLSTM reads them, before they are cut at “max "
                 "tokens”. “tokens 85%”: the length that 85% of them do not exceed. Images have no tokens.",
            empty="No data set has a data card yet.",
        ),
        Table(
            "4", "percentage of examples that are PIEs", "table-4-pie-share.csv",
            "share of PIEs, a column per compression level; marks; verdicts against the noise floor",
            pie_shares,
            _by_level(
                Column("", _share),
                trail=[Column("noise floor", lambda r: percent(r["noise_floor"]), style="pair")],
                narrow=True,
            ),
            Csv("dataset, arch, pruner, noise_floor", {"": "share", "mark": "mark", "verdict": "verdict"}),
            note=_share_note,
        ),
        Table(
            "5 and 6", "parameters, and the share of them that is removed", "table-5-parameters.csv",
            "parameters, and the share and number removed and left (also Table 6)",
            parameters,
            _by_level(
                Column("removed, of all parameters", lambda r: Cell(percent(r["removed"]), note=r["range"])),
                Column("parameters left", lambda r: count(r["remaining"])),
                lead=Column("", lambda r: "", "name"),
                row="setup",
                stacked=True,
                aside=lambda r: _counts(r["parameters"], r["prunable"]),
            ),
            Csv("dataset, arch, parameters, prunable", {"removed": "removed", "remaining": "remaining"}),
            note="As counted in the models themselves, the mean over the models of all pruners. Prunable: weight "
                 "matrices but embeddings and the final classifier.",
        ),
        Table(
            "9", "score, mean ± standard deviation over seeds", "table-9-effectiveness.csv",
            "score of the dense and the pruned models, mean and standard deviation over seeds",
            effectiveness,
            _by_level(
                Column("", lambda r: Cell(spread(r["mean"], r["std"]), "strong" if r["best"] else "")), aside=_scores
            ),
            Csv("dataset, arch, metric, pruner, unpruned mean, unpruned std",
                {"mean": "mean", "std": "std", "best": "best"}, by_value=False),
            note="**Bold**: the best pruner at that level.",
        ),
        Table(
            "10", "score on PIEs, pruned and dense", "table-10-effectiveness-on-pies.csv",
            "score on PIEs, pruned and dense, with the paper's marks",
            on_pies,
            _by_level(Column("", _pruned_on_pies, style="pair"), Column("", _dense_on_pies), aside=_metric),
            Csv("dataset, arch, metric, pruner",
                {"pruned": "pruned", "unpruned": "dense", **dict(zip(_MARKS, _MARKS, strict=True))}, by_value=False),
            note="Of each pair, the first value is of the pruned models, the second of the dense models on the same "
                 "PIEs. [better:Blue, underlined]: pruned models score higher on the PIEs than dense ones. **Bold**: "
                 "models score higher on the PIEs than the same models on the whole test split.",
        ),
        # Figures 6 to 13 do not say which architecture they are of; Figures 3 and 5 do.
        Figure(
            "1", "Score by sparsity", "effectiveness", {"effectiveness": "1"},
            paper="Accuracy or F1 of dense and pruned models per pruning threshold, a plot per data set and model.",
        ),
        Figure(
            "2 and 6", "All examples and PIEs across classes", "pie_classes", {},
            paper="Distribution of all data points and of PIEs at the lowest and the highest pruning, across classes "
                  "sorted by frequency. The paper shows IIBP-FT first and the other pruners in the appendix, for "
                  "several labels only.",
        ),
        Figure(
            "3 and 7 to 13", "Score on PIEs and on all examples", "effectiveness_on_pies", {"snli--bert": "3"},
            paper="Accuracy of dense (solid) and pruned models (dotted) for all data points (blue) or only for PIEs "
                  "(orange), per pruning threshold, each plot a different pruner.",
        ),
        # With one architecture, its own picture has a plot for every pruner.
        Figure(
            "4 and 14 to 20", "PIEs by influence on training", "el2n_pruners", if_any=True,
            by_picture={"iibp-ft": "4"} | _in_order(
                ("ibp-ai", "iibp-wr", "imp-ft", "mp-ai", "imp-wr", "irp-ft", "rp-ai"), range(14, 21)
            ),
            paper="Percentage of data points that are PIEs against the degree of influence (EL2N score) of all data "
                  "points in the training set, across pruning thresholds. The paper has a figure per pruner and in it "
                  "a plot per data set and model.",
        ),
        Figure(
            "4 and 14 to 20", "PIEs by influence on training, the same by architecture", "el2n", {},
            paper="The same numbers, a picture per data set and model, a plot per pruner.",
        ),
        Figure(
            "5 and 21 to 27", "Readability and length of PIEs", "readability",
            {"snli--bert": "5", "snli--bilstm": "21"} | _in_order(
                [f"{dataset}--{arch}" for dataset in ("imdb", "reuters", "aapd") for arch in ("bert", "bilstm")],
                range(22, 28),
            ),
            paper="Ratio between the readability scores, and the text length, of PIEs and of all data points across "
                  "pruning thresholds; the black line at 1 stands for equal scores, the turquoise one is the mean of "
                  "all pruners.",
        ),
    ),
)
# fmt: on
