"""The figures of the PIE paper, and which pictures show the same."""

from __future__ import annotations

from prunescope.papers.pictures import PaperFigure

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
        {
            "iibp-ft": "4",
            "ibp-ai": "14",
            "iibp-wr": "15",
            "imp-ft": "16",
            "mp-ai": "17",
            "imp-wr": "18",
            "irp-ft": "19",
            "rp-ai": "20",
        },
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
        {
            "snli--bert": "5",
            "snli--bilstm": "21",
            "imdb--bert": "22",
            "imdb--bilstm": "23",
            "reuters--bert": "24",
            "reuters--bilstm": "25",
            "aapd--bert": "26",
            "aapd--bilstm": "27",
        },
    ),
)
