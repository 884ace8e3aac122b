"""Docstrings to texts: libraries found without importing them, prose kept, everything else left out."""

from __future__ import annotations

import random
import sys
from pathlib import Path

import numpy as np
import pytest

from prunescope.data.docstrings import gather as gathering
from prunescope.data.docstrings import prose
from prunescope.data.docstrings.gather import Texts, gather, marked
from prunescope.data.docstrings.libraries import docstrings as docstrings_of
from prunescope.data.docstrings.libraries import find_library, source_files
from prunescope.data.sources.docstrings import Docstrings
from prunescope.errors import UserError

SYLLABLES = ["ba", "ke", "li", "mo", "nu", "ra", "se", "ti", "vo", "zu"]


def _sentence(number: int) -> str:
    """English function words around made-up nouns, so that no two sentences share much."""
    rng = random.Random(number)
    a, b, c, d, e = ("".join(rng.choices(SYLLABLES, k=3)) for _ in range(5))
    return f"The {a} of {b} is a {c} which may also be {d} and {e} if you want it."


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An importable package that fails when it is imported."""
    root = tmp_path / "zoolib"
    root.mkdir()
    (root / "__init__.py").write_text('"""Short."""\nraise RuntimeError("was imported")\n')
    monkeypatch.syspath_prepend(str(tmp_path))
    return root


def _functions(texts: list[str]) -> str:
    return "\n".join(f'def f{i}():\n    """{text}"""\n' for i, text in enumerate(texts))


def test_a_library_is_read_but_never_imported(library: Path) -> None:
    (library / "cages.py").write_text(_functions([_sentence(i) for i in range(30)]))
    found = find_library("zoolib")
    assert found.root == library
    assert found.modules == {"cages"}
    assert sum(len(list(docstrings_of(path))) for path in source_files(found)) == 31
    assert "zoolib" not in sys.modules


def test_tests_vendored_copies_generated_and_broken_files_are_skipped(library: Path) -> None:
    for folder in ("tests", "_vendor/deep", "externals"):
        (library / folder).mkdir(parents=True)
        (library / folder / "code.py").write_text('"""Hidden."""')
    (library / "test_it.py").write_text('"""Hidden."""')
    (library / "made.py").write_text('# This file was automatically generated.\n"""Hidden."""')
    (library / "broken.py").write_text('"""Hidden."""\ndef (')
    (library / "latin.py").write_bytes('"""Hidden é."""'.encode("latin-1"))
    (library / "fine.py").write_text(
        '"""Seen."""\nclass A:\n    """Also."""\n    def b(self):\n        """Too."""\n'
    )
    seen = [text for path in source_files(find_library("zoolib")) for text in docstrings_of(path)]
    assert sorted(seen) == ["Also.", "Seen.", "Short.", "Too."]


@pytest.mark.parametrize("name", ["no_such_library_here", "not-a-name", "a.b"])
def test_a_library_that_is_not_installed_is_named(name: str) -> None:
    with pytest.raises(UserError, match=f"libraries: '{name}' is not installed"):
        find_library(name)


def test_a_library_without_prose_is_refused(library: Path) -> None:
    with pytest.raises(UserError, match="'zoolib' has only 0 passages"):
        gather(["zoolib"], 20)


DOCSTRING = """Compute the distance between the two given points of the plane.

The distance is taken along the *shortest* way, and it is never ``negative`` for any pair of points [1]_.
The sentence with ``code(x, y)`` is gone.

.. versionadded:: 1.4
   The keyword that nobody wants to see in the texts of this data set.

Parameters
----------
x : array_like
    The first of the two points, which is described here in a long and winding sentence.

Notes
-----
See https://example.org/page for more. This part has enough words of its own to be one more piece of the prose.

The following lines show how it is done with the help of the function itself, as a reader wants:

>>> distance(1, 2)
1.0

References
----------
.. [1] Somebody, The book of the distances and of the other measures, in which they are defined at length.
"""


def test_prose_is_kept_and_everything_else_goes() -> None:
    assert list(prose.passages(DOCSTRING)) == [
        "Compute the distance between the two given points of the plane. The distance is taken along the shortest "
        "way, and it is never negative for any pair of points.",
        "This part has enough words of its own to be one more piece of the prose.",
        "The following lines show how it is done with the help of the function itself, as a reader wants.",
    ]


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("A :func:`~pkg.mod.thing` is here.", "A thing is here."),
        ("The `guide <https://x.org>`_ says so.", "The guide says so."),
        ("The [guide](https://x.org) says so.", "The guide says so."),
        ("It is **very** good.", "It is very good."),
        ("See Smith [Smi04]_. It holds.", "See Smith. It holds."),
        ("See [Smi04]_. It holds.", "It holds."),
        ("It holds [12]_.", "It holds."),
        ("Where $x^2$ is. It holds.", "It holds."),
        ("Of :math:`x` and. It holds.", "It holds."),
        ("The n_samples value. It holds.", "It holds."),
        ("The DataFrame value. It holds.", "It holds."),
        ("Call it with a.b.c now. It holds.", "It holds."),
        ("An example:", "An example."),
        ("It holds. This is equivalent to:", "It holds."),
    ],
)
def test_markup(written: str, read: str) -> None:
    assert prose.clean(written) == read


@pytest.mark.parametrize(
    "text",
    [
        "Licensed under the Apache License, and so on for many more of the words.",
        "Copyright by the authors of the thing that is used here and there.",
        "Deprecated in 1.3 and to be removed from the library in one of the next versions.",
        "no full stop at the end of the words",
    ],
)
def test_legal_and_version_texts_go(text: str) -> None:
    assert prose.clean(text) is None


def test_long_texts_are_cut_at_sentences() -> None:
    text = " ".join(_sentence(i) for i in range(20))
    parts = prose.cut(text)
    assert len(parts) > 1
    assert " ".join(parts) == text
    assert all(len(part.split()) <= prose.LONGEST and part.endswith(".") for part in parts)


@pytest.mark.parametrize(
    "text",
    [
        "Too short to be one of the texts.",
        "the text of these words begins in the middle of a sentence, as is easy to see.",
        "Tensor flow graph node edge kernel buffer stride shape index slice mask token layer.",
        "The 1 2 3 4 5 6 7 8 9 of the 10 11 12 13 are in the 14 15.",
        "The été of the year is the time when the words of the texts are warm.",
        " ".join(["The words of the text"] * 40) + ".",
    ],
)
def test_what_is_no_english_prose(text: str) -> None:
    assert not prose.is_prose(text)


def test_names_go_in_every_spelling_but_not_inside_words() -> None:
    pattern = prose.names_pattern(["zoolib", "zoo", "cages"])
    assert (
        prose.without("Zoolib's lions of ZOO-cages like zoology (zoo).", pattern) == "Lions of like zoology."
    )
    assert prose.without("Nothing here.", prose.names_pattern([])) == "Nothing here."


def test_near_duplicates_are_distinguished_from_new_texts() -> None:
    known = prose.NearDuplicates()
    assert known.add("The model with a head for the classification of tokens, by the authors of the paper.")
    assert not known.add("The model with a head for the classification of tokens, by the authors of a book.")
    assert known.add("An entirely different sentence says something else about its own other matter.")


def test_texts_lose_the_name_of_their_library_and_modules(library: Path) -> None:
    (library / "cages.py").write_text(
        _functions([f"{_sentence(i)} In zoolib it is cages or numpy." for i in range(40)])
    )
    (texts,) = gather(["zoolib"], 20)
    assert len(texts.texts) == 20
    assert not [text for text in texts.texts if {"zoolib", "cages", "numpy"} & set(prose.words(text))]
    assert len(set(texts.texts)) == 20


def test_doubles_across_libraries_stay_with_the_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "firstlib.py").write_text(_functions([_sentence(i) for i in range(60)]))
    (tmp_path / "secondlib.py").write_text(_functions([_sentence(i) for i in range(30, 90)]))
    alone = gather(["firstlib"], 1000)
    both = gather(["firstlib", "secondlib"], 1000)
    assert both[0] == alone[0]
    assert both[1].texts
    assert not set(both[0].texts) & set(both[1].texts)
    with pytest.raises(UserError, match="twice"):
        gather(["firstlib", "firstlib"], 20)


@pytest.fixture(scope="module")
def real() -> dict[str, list[Texts]]:
    return {"two": gather(["numpy", "sklearn"], 60)}


def test_real_libraries(real: dict[str, list[Texts]]) -> None:
    for part in real["two"]:
        assert len(part.texts) == 60
        assert all(prose.is_prose(text) for text in part.texts)
        names = {"numpy", "np", "sklearn", "scikit", "pandas", "scipy", "linalg", "ndarray"}
        assert not [text for text in part.texts if names & set(prose.words(text))]
    # A library's texts do not depend on the libraries after it.
    assert gather(["numpy"], 60)[0] == real["two"][0]
    assert real["two"][1].library.distribution == "scikit-learn"


def test_several_labels(monkeypatch: pytest.MonkeyPatch, real: dict[str, list[Texts]]) -> None:
    monkeypatch.setattr(gathering, "gather", lambda libraries, per_library: real["two"])
    spec = Docstrings(source="docstrings", labels="topics", libraries=("numpy", "sklearn"), per_library=60)
    data = spec.build("themes")
    labels = np.concatenate([table.labels for table in data.tables.values()])
    assert labels.dtype == bool
    assert (~labels.any(axis=1)).mean() <= 0.1
    assert labels.sum(axis=1).max() > 1
    for table in data.tables.values():
        assert table.labels.sum(axis=0).min() >= 1
    assert "left out" in " ".join(data.notes)


def test_themes_need_texts(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match="fewer than two themes"):
        marked(["The cat is here."] * 30)
