"""One look for every figure: colours, markers, sizes, and how a figure is saved.

Hue is the criterion (blue: magnitude, orange: impact on the loss, green: random, purple: undecayed impact, grey:
channel independence). Marker and dash are the schedule (square: iterative with rewinding, plus: iterative magnitude
pruning by levels, circle: iterative with fine-tuning, triangle: at initialization, diamond: one-shot after training,
hexagon: whole filters). Hues are those of Okabe and Ito's
colour-blind-safe palette, varied in lightness only.
"""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType
from typing import Any

from prunescope.config.pruners import NO_PRUNER, PRUNERS, paper_order

#: Width of a figure across both columns of a page, and of one in a single column, in inches.
FULL_WIDTH, COLUMN_WIDTH = 7.2, 3.5

ALL_COLOUR, PIE_COLOUR, DENSE_COLOUR = "#0072B2", "#D55E00", "#1a1a1a"


@dataclass(frozen=True)
class Look:
    """How one pruner is drawn: matplotlib colour, marker and line style."""

    colour: str
    marker: str
    line: str | tuple[int, tuple[float, ...]]

    def plot(self) -> dict[str, Any]:
        """Keyword arguments for ``Axes.plot`` and ``Axes.errorbar``, also in figures of users' packages."""
        return {"color": self.colour, "marker": self.marker, "linestyle": self.line}


_DOTS = (0, (1.2, 1.2))
_DASHES = (0, (4.0, 1.6))

#: The papers' pruners, in the order of legends.
LOOKS: Mapping[str, Look] = MappingProxyType(
    {
        "IIBP-WR": Look("#8A3800", "s", "-"),
        "IIBP-FT": Look("#D55E00", "o", "-"),
        "IBP-AI": Look("#E69F00", "^", _DASHES),
        "IMP-WR": Look("#003F66", "s", "-"),
        "IMP-FT": Look("#0072B2", "o", "-"),
        "MP-AI": Look("#56B4E9", "^", _DASHES),
        "IRP-FT": Look("#00694D", "o", "-"),
        "RP-AI": Look("#2FC79B", "^", _DASHES),
        "MP": Look("#2F7FD0", "D", _DOTS),
        "GP": Look("#F07F3C", "D", _DOTS),
        "UP": Look("#B0478A", "D", _DOTS),
        "UP-derived": Look("#D48FBF", "D", _DASHES),
        "RP": Look("#6FAE45", "D", _DOTS),
        "LTH": Look("#1B2A6B", "P", "-"),
        "CHIP": Look("#6B7280", "h", _DOTS),
        "PINS": Look("#6A1B9A", "*", "-."),
        "PINS-authors": Look("#9159BE", "*", ":"),
        "PINS-plain": Look("#B78BD0", "X", "-."),
        "GMP": Look("#3D5AA8", "v", "-."),
        "sensitivity": Look("#B8960C", "<", "-."),
        "PLATON": Look("#B3261E", ">", "-."),
        "SMvP": Look("#0B8080", "d", "-."),
        "PST": Look("#8C6D46", "p", "-."),
        "L0": Look("#4A4F55", "H", "-."),
    }
)

#: Families of pruners that figures set apart, by criterion; those that prune while training are one of their own.
FAMILIES = ("magnitude", "impact", "random", "gradual", "others")


def family(pruner: str) -> str:
    """One of ``FAMILIES``; a pruner of the user's own is one of the others."""
    known = PRUNERS.get(pruner)
    if known is None:
        return "others"
    name = "gradual" if known.schedule == "gradual" else str(known.criterion)
    return name if name in FAMILIES else "others"


_FURTHER_COLOURS = ("#332288", "#882255", "#999933", "#44AA99", "#6B4C2A", "#AA4499", "#5F6B7A", "#B8860B")
_FURTHER_MARKERS = ("P", "X", "v", "<", ">", "p", "h")


def look(pruner: str) -> Look:
    """The look of a pruner, the same in every figure of every study.

    A pruner of the user's own gets its look from a hash of its name, so that adding another one
    changes nothing.
    """
    if pruner == NO_PRUNER:
        return Look(DENSE_COLOUR, "", "-")
    if pruner in LOOKS:
        return LOOKS[pruner]
    digest = hashlib.sha256(pruner.encode()).digest()
    colour = _FURTHER_COLOURS[digest[0] % len(_FURTHER_COLOURS)]
    return Look(colour, _FURTHER_MARKERS[digest[1] % len(_FURTHER_MARKERS)], _DASHES)


def ordered(pruners: Iterable[str]) -> list[str]:
    """Distinct pruners, dense first, then the papers' in their order, then others by name."""
    return sorted(set(pruners), key=paper_order)


#: Scores that are no shares, and so not shown as percent.
CORRELATIONS = {
    "pearson": "Pearson correlation",
    "spearman": "Spearman correlation",
    "matthews": "Matthews correlation",
}


def pretty_metric(metric: str) -> str:
    """``macro-f1`` and the like as a reader writes them; other names as they are."""
    known = {
        "accuracy": "accuracy",
        "macrof1": "macro F1",
        "f1macro": "macro F1",
        "f1": "F1",
        "microf1": "micro F1",
        "meanaccuracy": "accuracy of the parts",
        **CORRELATIONS,
        "bleu": "BLEU",
        "rougel": "ROUGE-L",
        "meteor": "METEOR",
        "chrf": "chrF",
    }
    key = metric.lower().replace("-", "").replace("_", "").replace(" ", "")
    return known.get(key, metric.replace("_", " "))


_SETTINGS: dict[str, Any] = {
    "svg.hashsalt": "prunescope",
    "svg.fonttype": "path",
    "pdf.fonttype": 42,
    "text.parse_math": False,
    "font.size": 8,
    "axes.titlesize": 8.5,
    "axes.titleweight": "bold",
    "axes.labelsize": 8,
    "xtick.labelsize": 7.2,
    "ytick.labelsize": 7.2,
    "legend.fontsize": 7.5,
    "legend.frameon": False,
    "figure.titlesize": 10,
    "figure.titleweight": "bold",
    "figure.facecolor": "white",
    "figure.dpi": 100,
    "axes.edgecolor": "#55585c",
    "axes.linewidth": 0.7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.axisbelow": True,
    "grid.color": "#dcdfe3",
    "grid.linewidth": 0.6,
    "lines.linewidth": 1.3,
    "lines.markersize": 4.0,
    "xtick.color": "#3c4043",
    "ytick.color": "#3c4043",
    "axes.titlelocation": "left",
}


#: Code points of the fonts that figures mostly use; others come from the whole font.
_LETTERS = (*range(0x20, 0x250), *range(0x300, 0x400), *range(0x2010, 0x2040), *range(0x2190, 0x2194), 0x2212)


@cache
def _fonts() -> tuple[TemporaryDirectory[str], list[str]]:
    """Small copies of the theme's fonts, and the families that text is set in.

    Each PDF embeds a subset of its fonts. Cutting it out of the whole font, with its tables of Arabic ligatures and
    the like, takes longer than drawing the figure.
    """
    from fontTools import subset  # type: ignore[import-untyped]
    from matplotlib import font_manager

    whole, small = "DejaVu Sans", "Prunescope Sans"
    folder = TemporaryDirectory(prefix="prunescope-fonts-")
    options = subset.Options(
        layout_features=[], legacy_kern=True, drop_tables=["GPOS", "GSUB", "GDEF", "FFTM"], name_IDs=["*"]
    )
    for weight in ("regular", "bold"):
        source = font_manager.findfont(font_manager.FontProperties(family=whole, weight=weight))
        path = Path(folder.name) / f"{weight}.ttf"
        with subset.load_font(source, options) as font:
            cut = subset.Subsetter(options)
            cut.populate(unicodes=_LETTERS)
            cut.subset(font)
            for record in font["name"].names:
                record.string = (
                    record.toUnicode().replace(whole, small).replace("DejaVuSans", "PrunescopeSans")
                )
            subset.save_font(font, path, options)
        font_manager.fontManager.addfont(path)
    return folder, [small, whole]


@contextmanager
def styled() -> Iterator[None]:
    """matplotlib without a display, starting from its own defaults, in the project's theme."""
    import matplotlib

    matplotlib.use("Agg")
    import seaborn

    _, families = _fonts()
    with matplotlib.rc_context(), warnings.catch_warnings():
        # seaborn 0.13.2 calls boxplot as matplotlib had it before 3.11.
        warnings.filterwarnings("ignore", message="vert: bool was deprecated")
        matplotlib.rcdefaults()
        seaborn.set_theme(
            context="paper",
            style="ticks",
            palette=[ALL_COLOUR, PIE_COLOUR],
            rc={**_SETTINGS, "font.family": families},
        )
        yield


#: What files of a figure hold besides it: no date and no version, so that the same figure gives the same bytes.
_METADATA: dict[str, dict[str, None]] = {
    "svg": {"Date": None, "Creator": None},
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
    "png": {"Software": None},
}
#: The files of a figure: for pages, for papers (fonts embedded), and pixels.
FORMATS = tuple(_METADATA)


def save(figure: Any, folder: Path, stem: str) -> None:
    """Write ``stem`` in every one of ``FORMATS``, and close the figure."""
    import matplotlib.pyplot as plt

    # Laid out once: every file would do it again, and with any layout engine draw twice.
    figure.set_dpi(160)
    engine = figure.get_layout_engine()
    if engine is not None:
        engine.execute(figure)
    figure.set_layout_engine(None)
    for form, metadata in _METADATA.items():
        figure.savefig(folder / f"{stem}.{form}", dpi=160, metadata=metadata)
    plt.close(figure)
