"""The PIE paper's figures, and the pictures of a study that show the same."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prunescope.errors import UserError
from prunescope.files import read_json
from prunescope.report import page


@dataclass(frozen=True)
class PaperFigure:
    """Figures of the paper that show one thing, by the family of pictures that does so here.

    ``by_picture``: the paper's own number for a picture, by its file stem, in lower case; numbers
    that the paper gives to another cut of the same data stand under ``numbers`` alone.
    """

    numbers: str
    title: str
    paper: str
    family: str
    by_picture: Mapping[str, str]


def _stems(**numbers: str) -> dict[str, str]:
    return {stem.replace("__", "--").replace("_", "-"): number for stem, number in numbers.items()}


#: In the paper's order. Figures 6 to 13 do not say which network they are of; figure 3 and 5 do.
FIGURES = (
    PaperFigure(
        "1",
        "Score by sparsity",
        "Accuracy or F1 of unpruned and pruned models per pruning threshold, a plot per data set and model.",
        "effectiveness",
        {"effectiveness": "1"},
    ),
    PaperFigure(
        "2 and 6",
        "All examples and PIEs across classes",
        "Distribution of all data points and of PIEs at the lowest and the highest pruning, across classes sorted "
        "by frequency. The paper shows IIBP-FT first and the other pruners in the appendix, for several labels only.",
        "pie_classes",
        {},
    ),
    PaperFigure(
        "3 and 7 to 13",
        "Score on PIEs and on all examples",
        "Accuracy of unpruned (solid) and pruned models (dotted) for all data points (blue) or only for PIEs "
        "(orange), per pruning threshold, each plot a different pruner.",
        "effectiveness_on_pies",
        {"snli--bert": "3"},
    ),
    PaperFigure(
        "4 and 14 to 20",
        "PIEs by influence on training",
        "Percentage of data points that are PIEs against the degree of influence (EL2N score) of all data points in "
        "the training set, across pruning thresholds. The paper has a figure per pruner and in it a plot per "
        "data set and model.",
        "el2n_pruners",
        _stems(
            iibp_ft="4",
            ibp_ai="14",
            iibp_wr="15",
            imp_ft="16",
            mp_ai="17",
            imp_wr="18",
            irp_ft="19",
            rp_ai="20",
        ),
    ),
    PaperFigure(
        "4 and 14 to 20",
        "PIEs by influence on training, the same by network",
        "The same numbers, a picture per data set and model, a plot per pruner.",
        "el2n",
        {},
    ),
    PaperFigure(
        "5 and 21 to 27",
        "Readability and length of PIEs",
        "Ratio between the readability scores, and the text length, of PIEs and of all data points across pruning "
        "thresholds; the black line at 1 stands for equal scores, the turquoise one is the mean of all pruners.",
        "readability",
        _stems(
            snli__bert="5",
            snli__bilstm="21",
            imdb__bert="22",
            imdb__bilstm="23",
            reuters__bert="24",
            reuters__bilstm="25",
            aapd__bert="26",
            aapd__bilstm="27",
        ),
    ),
)


def listing(figures: Path, where: Path) -> list[dict[str, Any]]:
    """Every figure of the paper with the pictures there are, and what was left out and why.

    Args:
        figures: folder with a folder per family, each with its ``figures.json``.
        where: the page, from which links start.

    Raises:
        UserError: a ``figures.json`` cannot be read.
    """
    found = []
    for figure in FIGURES:
        folder = figures / figure.family
        pictures, skipped = _family(folder)
        if figure.family == "el2n_pruners" and not pictures:
            continue  # One network: its own picture has a plot for every pruner.
        found.append(
            {
                "figure": figure,
                "anchor": f"figure-{figure.family}",
                "pictures": [
                    {
                        "title": picture["title"],
                        "caption": picture["caption"],
                        "number": figure.by_picture.get(Path(picture["file"]).stem.casefold()),
                        **{
                            name: page.link(folder / picture[key], where)
                            for name, key in (("svg", "file"), ("png", "png"), ("data", "data"))
                        },
                    }
                    for picture in pictures
                ],
                "skipped": skipped,
            }
        )
    return found


def _family(folder: Path) -> tuple[list[dict[str, str]], list[dict[str, str]]]:
    index = folder / "figures.json"
    if not index.exists():
        return [], []
    value = read_json(index)
    try:
        return list(value["figures"]), list(value["skipped"])
    except (KeyError, TypeError):
        raise UserError(f"{index}: not a list of figures; delete it and run again") from None
