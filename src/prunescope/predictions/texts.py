"""The texts behind the examples, from a CSV, Parquet or JSON Lines file of the user's."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from prunescope.errors import UserError, listed
from prunescope.predictions.arrow import NotANumberError, Source, ids_of, is_list, plain, whole_numbers
from prunescope.predictions.json_lines import SUFFIXES, json_objects, suffix_of

#: Function words of languages in Latin letters, in which few others are met.
_WORDS = {
    "en": "the of and to in is that it for on was with as be this are at by what not you i how have from which they",
    "de": "der die das und ist nicht ein eine zu den von mit sich auf für dem es im auch wird sind oder werden aber",
    "fr": "le la les et est des un une du dans que pour qui sur pas il elle au avec ce sont plus par nous vous mais",
    "es": "el la los las y es un una del que en por con para no se su lo como más pero al está muy son sus cuando",
    "it": "il la di che e è un una per con non del della sono si le gli anche come più ma nel alla dei questo ha",
    "pt": "o os as e é um uma do da que em para com não se por mais como mas ao dos das foi são muito você seu",
    "nl": "de het een en van ik te dat die in is niet op aan met als voor zijn er maar om hem dan zou wat mijn",
    "sv": "och i att det som en på är av för med den till inte har de om ett han men var jag så från när eller",
    "da": "og i at det er en til af på som med for den der ikke de har et jeg han men var om vi sig fra eller",
    "pl": "i w na nie z się do to jest że o jak ale co po tak za od jego czy był dla przez przy oraz może tego",
    "tr": "ve bir bu da de için ile çok ne daha gibi ama var mı kadar olan olarak en her değil sonra ben sen o",
    "fi": "ja on ei se että hän oli mutta kun niin ovat myös kuin tai sen joka ole olen minä sinä tämä mitä ne",
    "id": "yang dan di itu dengan untuk tidak ini dari dalam akan pada juga saya ke karena bisa ada mereka kami",
}
#: Single letters are also the beginnings of names such as `w2`.
_FUNCTION_WORDS = {
    language: frozenset(word for word in words.split() if len(word) > 1) for language, words in _WORDS.items()
}

#: Share of function words from which on texts are in a language, and how many different ones there must be.
_SPOKEN, _DIFFERENT = 0.08, 4

_LATIN_WORD = re.compile(r"\b[^\W\d_]+\b")


def language_of(texts: Sequence[str]) -> str:
    """``en`` or another code, ``unknown`` (Latin letters, few words of any of these languages), ``script Han``,
    ``no letters``."""
    import unicodedata

    sample = texts[:: max(1, len(texts) // 500)]
    letters = Counter(letter for text in sample for letter in text[:500] if letter.isalpha())
    if not letters:
        return "no letters"
    scripts: Counter[str] = Counter()
    for letter, count in letters.items():
        scripts[unicodedata.name(letter, "?").split()[0].split("-")[0]] += count
    script, count = scripts.most_common(1)[0]
    if script != "LATIN" or count < 0.8 * scripts.total():
        return f"script {'Han' if script == 'CJK' else script.capitalize()}"
    words = Counter(word for text in sample for word in _LATIN_WORD.findall(text[:2000].casefold()))
    if not words:
        return "unknown"
    shares = {
        language: sum(words[word] for word in function) / words.total()
        for language, function in _FUNCTION_WORDS.items()
        if language == "en" or len(words.keys() & function) >= _DIFFERENT
    }
    best = max(shares, key=lambda language: shares[language])
    return best if shares[best] >= _SPOKEN else "unknown"


def has_formulas(language: str) -> bool:
    """Whether readability formulas, which are for English, say something; not where another language is known."""
    return language.lower().startswith("en") or language in ("unknown", "no letters")


#: A column of token counts, where a table brings one along.
COUNTS = "n_tokens"


#: A letter of a script without blanks between words, or a mark of its punctuation.
_UNSPACED = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3000-\u30ff\u3400-\u9fff\uf900-\ufaff\uff00-\uff65]"
)

_SPACED = str.maketrans(
    {
        "'": " ' ",
        '"': "",
        ".": " . ",
        ",": " , ",
        "(": " ( ",
        ")": " ) ",
        "!": " ! ",
        "?": " ? ",
        ";": " ",
        ":": " ",
    }
)


def basic_english(text: str) -> list[str]:
    """Lower-cased words and punctuation marks, as torchtext's ``basic_english`` normalization has them."""
    return text.lower().replace("<br />", " ").translate(_SPACED).split()


def count_tokens(*parts: str) -> int:
    """Tokens of a text, in Table 7 of the PIE paper, its figures of text length and a BiLSTM's input alike.

    The separators of several parts, as of premise and hypothesis, count as one each. Of scripts that put no blanks
    between words, letters count.
    """
    return sum(len(basic_english(_UNSPACED.sub(r" \g<0> ", part))) for part in parts) + len(parts) - 1


@dataclass(frozen=True)
class Texts:
    """Raw texts by example, ``columns`` of them joined by a space; ``n_tokens`` where the table has that column;
    ``language`` where its metadata say one."""

    examples: np.ndarray
    texts: list[str]
    n_tokens: np.ndarray | None
    columns: int = 1
    language: str | None = None

    def of(self, examples: np.ndarray, path: Path) -> Texts:
        """The texts of these examples, in this order.

        Raises:
            UserError: an example has no text.
        """
        if examples.dtype == object and self.examples.dtype != object:
            return replace(self, examples=self.examples.astype(str).astype(object)).of(examples, path)
        asked = np.asarray(examples)
        if self.examples.dtype == object:
            examples = examples.astype(str).astype(object)
        order = np.argsort(self.examples, kind="stable")
        at = np.searchsorted(self.examples, examples, sorter=order)
        found = np.zeros(len(examples), dtype=bool)
        inside = at < len(order)
        found[inside] = self.examples[order[at[inside]]] == examples[inside]
        if not found.all():
            raise UserError(
                f"{path}: no text for example {examples[~found][0]} ({int((~found).sum())} are missing); "
                "give the texts of the audited split"
            )
        rows = order[at]
        counts = None if self.n_tokens is None else self.n_tokens[rows]
        return replace(
            self, examples=asked, texts=[self.texts[row] for row in rows.tolist()], n_tokens=counts
        )


def read_texts(path: Path, columns: Sequence[str] = ()) -> Texts:
    """Read texts; rows are joined on ``example``, or on the row number where there is no such column.

    Without ``columns``: the ``inputs`` a data table names in its metadata, else ``text``, else
    ``premise`` and ``hypothesis``. Missing texts count as empty.

    Raises:
        UserError: the file is missing or damaged, a column is missing or holds no text, an
            example is listed twice.
    """
    if suffix_of(path) in SUFFIXES:
        values, numbers, counts, joined = _json_lines(path, columns)
        language = None
    else:
        values, numbers, counts, joined = _table(path, columns)
        language = (Source(path).metadata or {}).get("language")
    examples = np.arange(len(values)) if numbers is None else numbers
    ordered = np.sort(examples)
    twice = ordered[1:][ordered[1:] == ordered[:-1]]
    if twice.size:
        raise UserError(f"{path}: example {twice[0]} is listed twice; give each text once")
    return Texts(examples, values, counts, joined, language)


def _chosen(path: Path, asked: Sequence[str], present: Sequence[str], inputs: object) -> list[str]:
    if asked:
        missing = [name for name in asked if name not in present]
        if missing:
            raise UserError(f"{path}: no column {listed(map(repr, missing))}; the file has {listed(present)}")
        return list(asked)
    named = inputs if isinstance(inputs, list) else []
    for usual in (named, ["text"], ["premise", "hypothesis"]):
        if usual and all(name in present for name in usual):
            return [str(name) for name in usual]
    raise UserError(f"{path}: no column 'text'; name one or more with --text-column ({listed(present)})")


#: Texts, numbers of the examples, counts of tokens, and how many columns were joined.
_Read = tuple[list[str], np.ndarray | None, np.ndarray | None, int]


def _table(path: Path, asked: Sequence[str]) -> _Read:
    source = Source(path)
    names = _chosen(path, asked, source.columns, (source.metadata or {}).get("inputs"))
    extra = [name for name in ("example", COUNTS) if name in source.columns and name not in names]
    values: list[str] = []
    found: dict[str, list[np.ndarray]] = {name: [] for name in extra}
    for batch in source.batches([*dict.fromkeys(names), *extra]):
        parts = [_strings(plain(batch[name]), path, name) for name in names]
        values.extend(" ".join(row) for row in zip(*parts, strict=True))
        for name in extra:
            found[name].append(_numbers_or_ids(batch[name], path, name))
    columns = {}
    for name, chunks in found.items():
        if any(chunk.dtype == object for chunk in chunks):
            chunks = [chunk.astype(str).astype(object) for chunk in chunks]
        columns[name] = np.concatenate(chunks) if chunks else np.zeros(0, np.int64)
    return values, columns.get("example"), columns.get(COUNTS), len(names)


def _numbers_or_ids(array: pa.Array, path: Path, column: str) -> np.ndarray:
    try:
        return whole_numbers(array, path, column)
    except NotANumberError:
        if column == COUNTS:
            raise
        return np.array(ids_of(array, path, column).to_pylist(), dtype=object)


def _strings(array: pa.Array, path: Path, column: str) -> list[str]:
    if is_list(array.type) or pa.types.is_struct(array.type) or pa.types.is_binary(array.type):
        raise UserError(f"{path}: column {column!r} must hold texts, not {array.type}")
    return ["" if value is None else str(value) for value in array.to_pylist()]


def _json_lines(path: Path, asked: Sequence[str]) -> _Read:
    names: list[str] | None = None
    values: list[str] = []
    found: dict[str, list[Any]] = {"example": [], COUNTS: []}
    for number, row in json_objects(path):
        if names is None:
            names = _chosen(path, asked, list(row), None)
        missing = [name for name in names if name not in row]
        if missing:
            raise UserError(f"{path}: line {number} has no {listed(map(repr, missing))}")
        nested = [name for name in names if isinstance(row[name], list | dict)]
        if nested:
            raise UserError(f"{path}: line {number}: {nested[0]!r} must hold a text, not a list or object")
        values.append(" ".join("" if row[name] is None else str(row[name]) for name in names))
        for key, numbers in found.items():
            if key in row:
                text = key == "example" and isinstance(row[key], str)
                numbers.append(row[key] if text else _whole(row[key], path, number, key))
    columns: dict[str, np.ndarray | None] = {}
    for key, numbers in found.items():
        if numbers and len(numbers) != len(values):
            raise UserError(
                f"{path}: some lines have {key!r} and others have none; give it in all or in none"
            )
        if any(isinstance(number, str) for number in numbers):
            columns[key] = np.array([str(number).strip() for number in numbers], dtype=object)
        else:
            columns[key] = np.array(numbers, dtype=np.int64) if numbers else None
    return values, columns["example"], columns[COUNTS], len(names or [""])


def _whole(value: object, path: Path, line: int, key: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int | float) or not float(value).is_integer():
        raise UserError(f"{path}: line {line}: {key!r} must be a whole number, not {value!r}")
    return int(value)
