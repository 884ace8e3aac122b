"""Texts of installed libraries, without the libraries' names, and the topics they mention."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from prunescope.data.docstrings import prose
from prunescope.data.docstrings.libraries import Library, docstrings, find_library, source_files
from prunescope.data.docstrings.topics import TOPICS, topics
from prunescope.data.splits import SMALLEST_CLASS, content_hash
from prunescope.errors import UserError

#: What libraries are called; taken out of every text. "transformers" is not here: an ordinary word
#: in other libraries, it goes from that library's own texts only.
_ALIASES = (
    *("numpy", "np", "ndarray", "ndarrays", "scipy", "sp", "pandas", "pd", "dataframe", "dataframes"),
    *("sklearn", "scikit", "scikit-learn", "matplotlib", "mpl", "pyplot", "plt", "pylab"),
    *("torch", "pytorch", "torchvision", "torchaudio", "aten", "libtorch"),
    *("huggingface", "hugging face", "hf", "seaborn"),
)

#: Names of top-level modules that are ordinary English or technical words: only the bare word stays.
_ORDINARY = frozenset(
    """accelerator activations algorithms animation api arrays artist axes axis base calibration callback category
    char classes cluster collections colorbar colorizer colors compat compiler compose configuration constants
    container contour convert core covariance cpu data datasets dates decision decomposition differentiate
    distributed distributions drawing dtypes dummy ensemble errors exception exceptions experimental export
    exporters figure frozen functional futures generation generators hatch hub image impute initialization inset
    inspection integrate integrations interpolate isotonic kernel layout legend library lines loss manifold markers
    masked matrix metrics mixture models monitor multiclass multiprocessing neighbors nested optimization optimize
    overrides package path pipeline pipelines plotting polynomial preprocessing profiler projections quantization
    quantizers quiver random scale serialization signal sparse spatial special spines stats storage strings style
    table testing text ticker trainer transforms tree types typing units util utils version widgets""".split()  # noqa: SIM905
)

#: Scanning a library stops once this many candidates are found for each text that is wanted.
_CANDIDATES = 2

#: Texts that mention no theme are kept up to this share of all.
_THEMELESS = 0.1


@dataclass(frozen=True)
class Texts:
    """What was taken from one library: texts without its name, ordered by their hashes."""

    library: Library
    texts: tuple[str, ...]


def gather(libraries: Sequence[str], per_library: int) -> list[Texts]:
    """Texts of each library, at most ``per_library``: those with the lowest hashes.

    A library's texts do not depend on the libraries named after it; of (nearly) equal texts the
    library named first keeps its one.

    Raises:
        UserError: a library is not installed, named twice, or has too little prose.
    """
    if len(set(libraries)) < len(libraries):
        raise UserError("libraries: a name is listed twice; name each library once")
    known = prose.NearDuplicates()
    result = []
    for name in libraries:
        library = find_library(name)
        names = prose.names_pattern(removed_names(library))
        candidates: set[str] = set()
        for path in source_files(library):
            for text in docstrings(path):
                for passage in prose.passages(text):
                    bare = prose.without(passage, names)
                    if prose.is_prose(bare):
                        candidates.add(bare)
            if len(candidates) >= _CANDIDATES * per_library:
                break
        chosen: list[str] = []
        for text in sorted(candidates, key=lambda text: (content_hash(text, "select"), text)):
            if len(chosen) == per_library:
                break
            if known.add(text):
                chosen.append(text)
        if len(chosen) < SMALLEST_CLASS:
            raise UserError(
                f"libraries: {name!r} has only {len(chosen)} passages of prose in its docstrings, "
                f"{SMALLEST_CLASS} are needed; take it out of the list"
            )
        result.append(Texts(library, tuple(chosen)))
    return result


def removed_names(library: Library) -> frozenset[str]:
    """The names that give the library away: its own, its modules', and the usual short ones of all."""
    modules = {module for module in library.modules if module not in _ORDINARY and len(module) > 1}
    return frozenset({*_ALIASES, library.name, library.distribution, *modules})


def marked(texts: list[str]) -> tuple[list[str], np.ndarray, tuple[str, ...], tuple[str, ...]]:
    """Texts with a (n, C) bool matrix of their themes, the themes' names, and notes for the card."""
    marks = np.zeros((len(texts), len(TOPICS)), dtype=bool)
    for number, text in enumerate(texts):
        marks[number, list(topics(text))] = True
    frequent = np.asarray(marks.sum(axis=0) >= SMALLEST_CLASS)
    if frequent.sum() < 2:
        raise UserError(
            "labels: the texts mention fewer than two themes often enough; raise per_library or name more libraries"
        )
    marks = marks[:, frequent]
    themed = np.asarray(marks.any(axis=1))
    # So many that they are at most a tenth of everything kept.
    allowed = int(themed.sum() * _THEMELESS / (1 - _THEMELESS) + 1e-9)
    bare = sorted(
        np.flatnonzero(~themed).tolist(), key=lambda n: (content_hash(texts[n], "themeless"), texts[n])
    )
    keep = themed.copy()
    keep[bare[:allowed]] = True
    classes = tuple(topic for topic, kept in zip(TOPICS, frequent, strict=True) if kept)
    notes = [f"Themes are told by keywords; {int(keep.sum() - themed.sum())} texts mention none of them."]
    if dropped := len(bare) - min(allowed, len(bare)):
        notes.append(f"{dropped} more texts without a theme were left out.")
    if rare := [topic for topic, kept in zip(TOPICS, frequent, strict=True) if not kept]:
        notes.append(f"Themes with fewer than {SMALLEST_CLASS} texts were left out: {', '.join(rare)}.")
    kept_texts = [text for text, kept in zip(texts, keep, strict=True) if kept]
    return kept_texts, marks[keep], classes, tuple(notes)
