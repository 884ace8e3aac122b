"""Readability scores, and the texts they are of."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from prunescope.analysis import readability
from prunescope.analysis.readability import (
    FORMULAS,
    MEASURES,
    compare,
    read_scores,
    score_texts,
    with_counts,
    write_scores,
)
from prunescope.errors import UserError
from prunescope.predictions.texts import Texts, count_tokens, language_of, read_texts

PROSE = "The quick brown fox jumps over the lazy dog. It was an extraordinarily considerable achievement!"


def test_scores_are_textstats() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import textstat
    texts = [PROSE, "Yes.", PROSE]
    scores = score_texts(texts)
    assert scores.shape == (3, 8)
    for row, text in zip(scores, texts, strict=True):
        assert row[:-1].tolist() == [float(getattr(textstat, name)(text)) for name in FORMULAS]
    # "The" to "dog" and a stop: 9 + 1; "It" to "achievement" and a mark: 6 + 1
    assert scores[0, -1] == 17


def test_the_pinned_version_is_there() -> None:
    # Later versions count syllables in another way, and all grades follow.
    from importlib.metadata import version

    assert version("textstat") == "0.7.4"


@pytest.mark.parametrize("text", ["", "   ", "...", "\n\n", "!?", "42", "ü" * 5000, "word " * 20_000])
def test_odd_texts_have_finite_scores(text: str) -> None:
    assert np.isfinite(score_texts([text])).all()


def test_no_texts() -> None:
    assert score_texts([]).shape == (0, 8)


def test_processes_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [f"Sentence number {i} is considerably longer than others." for i in range(12)]
    alone = score_texts(texts)
    monkeypatch.setattr(readability, "_WORTH_PROCESSES", 0)
    assert np.array_equal(score_texts(texts, processes=2), alone)


def test_kept_scores_come_back_by_example(tmp_path: Path) -> None:
    source = tmp_path / "texts.csv"
    pd.DataFrame({"example": [5, 2, 9], "text": ["One.", PROSE, "Two words."]}).to_csv(source, index=False)
    write_scores(source, tmp_path / "scores.parquet")
    assert pq.read_schema(tmp_path / "scores.parquet").names == ["example", *MEASURES]
    scores = read_scores(tmp_path / "scores.parquet", np.array([2, 9]))
    assert np.array_equal(scores, score_texts([PROSE, "Two words."]))
    with pytest.raises(UserError, match=r"scores\.parquet: readability scores of other examples"):
        read_scores(tmp_path / "scores.parquet", np.array([2, 10]))
    with pytest.raises(UserError, match="no column"):
        read_scores(Path(_parquet(tmp_path / "t.parquet", {"example": [0]})), np.array([0]))


def test_a_tables_own_token_counts_are_the_length(tmp_path: Path) -> None:
    source = tmp_path / "texts.csv"
    pd.DataFrame({"text": ["One.", PROSE], "n_tokens": [7, 70]}).to_csv(source, index=False)
    table = read_texts(source)
    assert with_counts(score_texts(table.texts), table)[:, -1].tolist() == [7, 70]


def test_the_length_of_a_pair_is_that_of_the_data_sets_table(tmp_path: Path) -> None:
    """As Table 7 of the PIE paper counts (``data.published.token_counts``)."""
    from prunescope.data.dataset import DataTable, TableInfo
    from prunescope.data.published import token_counts
    from prunescope.data.tables import write_table

    info = TableInfo("pairs", "test", "single-label", ("a", "b"), ("premise", "hypothesis"))
    texts = {"premise": ['She\'s out; "late".', PROSE], "hypothesis": ["No.", ""]}
    data = DataTable(info, np.array([0, 1], dtype=np.int32), texts=texts)
    write_table(tmp_path / "test.parquet", data)
    table = read_texts(tmp_path / "test.parquet")
    lengths = with_counts(score_texts(table.texts), table)[:, -1]
    assert lengths.tolist() == token_counts(data).tolist() == [6 + 2 + 1, 17 + 0 + 1]


def _parquet(path: Path, columns: dict[str, list[object]], inputs: list[str] | None = None) -> Path:
    table = pa.table(columns)
    if inputs is not None:
        table = table.replace_schema_metadata({"prunescope": json.dumps({"inputs": inputs})})
    pq.write_table(table, path)
    return path


def _texts(path: Path, *columns: str) -> list[str]:
    return read_texts(path, columns).texts


def test_columns_are_joined_by_a_space(tmp_path: Path) -> None:
    frame = pd.DataFrame({"premise": ["A b.", "C"], "hypothesis": ["d", None], "other": ["x", "y"]})
    frame.to_csv(tmp_path / "t.csv", index=False)
    frame.to_parquet(tmp_path / "t.parquet")
    frame.to_json(tmp_path / "t.jsonl", orient="records", lines=True)
    for name in ("t.csv", "t.parquet", "t.jsonl"):
        assert _texts(tmp_path / name) == ["A b. d", "C "]
        assert _texts(tmp_path / name, "other", "premise") == ["x A b.", "y C"]


def test_default_columns(tmp_path: Path) -> None:
    both: dict[str, list[object]] = {"text": ["t"], "body": ["b"], "premise": ["p"], "hypothesis": ["h"]}
    assert _texts(_parquet(tmp_path / "a.parquet", both)) == ["t"]
    assert _texts(_parquet(tmp_path / "b.parquet", both, ["body"])) == ["b"]
    with pytest.raises(UserError, match=r"no column 'text'; name one or more with --text-column \(body\)"):
        _texts(_parquet(tmp_path / "c.parquet", {"body": ["b"]}))


def test_texts_with_line_breaks_and_quotes(tmp_path: Path) -> None:
    text = 'He said "no",\nand left.\n\nÜber, 1|2'
    pd.DataFrame({"id": [1], "text": [text]}).to_csv(tmp_path / "t.csv", index=False)
    assert _texts(tmp_path / "t.csv") == [text]


def test_rows_join_on_example_or_on_row_number(tmp_path: Path) -> None:
    path = _parquet(tmp_path / "t.parquet", {"example": [4, 0], "text": ["four", "zero"]})
    assert read_texts(path).of(np.array([0, 4]), path).texts == ["zero", "four"]
    path = _parquet(tmp_path / "u.parquet", {"text": ["zero", "one", "two"]})
    assert read_texts(path).of(np.array([0, 2]), path).texts == ["zero", "two"]


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("a.jsonl", '{"text": "a"}\nnonsense\n', "not a JSON Lines file"),
        ("b.jsonl", "[1]\n", "entry 1 of the array is not a JSON object"),
        ("c.jsonl", '{"text": "a"}\n{"body": "b"}\n', "line 2 has no 'text'"),
        ("d.jsonl", '{"text": "a", "example": 1.5}\n', "'example' must be a whole number, not 1.5"),
        ("e.jsonl", '{"text": "a", "example": 1}\n{"text": "b"}\n', "some lines have 'example'"),
        ("f.csv", "example,text\n3,a\n3,b\n", "example 3 is listed twice"),
        ("g.csv", "example,text\n1.5,a\n", "column 'example' must hold whole numbers, not 1.5"),
        ("h.parquet", "PAR1 and then nothing", "damaged"),
    ],
)
def test_texts_that_cannot_be_used(tmp_path: Path, name: str, content: str, expected: str) -> None:
    path = tmp_path / name
    path.write_text(content)
    with pytest.raises(UserError) as caught:
        read_texts(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert expected in message
    assert "\n" not in message


def test_ids_that_are_texts_or_numbers(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("example,text\n7,seven\n12,twelve\n")
    assert read_texts(path).of(np.array(["12", "7"], dtype=object), path).texts == ["twelve", "seven"]
    path.write_text("example,text\nq7,seven\n12,twelve\n")
    assert read_texts(path).of(np.array(["q7"], dtype=object), path).texts == ["seven"]
    assert read_texts(path).of(np.array([12]), path).texts == ["twelve"]
    with pytest.raises(UserError, match=r"no text for example 7 \(1 are missing\)"):
        read_texts(path).of(np.array([12, 7]), path)


def test_missing_texts_are_counted() -> None:
    texts = Texts(np.array([0, 1]), ["a", "b"], None)
    with pytest.raises(UserError, match=r"no text for example 2 \(2 are missing\)"):
        texts.of(np.array([1, 2, 3]), Path("t.csv"))


SPOKEN = {
    "en": "The court of appeal said that it was not for the police to decide what is in the file.",
    "de": "Das Gericht hat gesagt, dass es nicht die Aufgabe der Polizei ist, und der Fall wird neu verhandelt.",
    "fr": "La cour a dit que ce n'est pas à la police de le décider, et que les juges sont plus libres dans la ville.",
    "es": "El tribunal dijo que no es la policía la que decide, y que los jueces son más libres en la ciudad.",
    "pl": "Sąd powiedział, że to nie jest zadanie policji i że sprawa została przekazana do innego sądu na północy.",
    "script Han": "法院表示，这不是警察的任务，案件将重新审理。",
    "script Cyrillic": "Суд заявил, что это не задача полиции, и дело будет рассмотрено снова.",
    "script Arabic": "قالت المحكمة إن هذا ليس من مهام الشرطة",
    "unknown ": "w12 w3 i4 o5 z6 en7 do8 to9",
    "unknown": "wadu milo kerrin sotal bex",
    "no letters": "12 345 ... 7",
}


@pytest.mark.parametrize(("language", "text"), SPOKEN.items(), ids=SPOKEN)
def test_the_language_is_found(language, text):
    language = language.strip()
    assert language_of([text] * 3) == language
    kept = language in ("en", "unknown", "no letters")
    assert np.isnan(score_texts([text])[0, :-1]).all() != kept
    assert score_texts([text])[0, -1] == count_tokens(text) > 3
    # Said, it is not looked for.
    assert not np.isnan(score_texts([text], language="en")).any()
    assert np.isnan(score_texts([text], language="de")[0, :-1]).all()


def test_letters_without_blanks_are_tokens_and_words_are_as_before():
    assert count_tokens("法院，hello world!") == 6
    assert count_tokens("naïve 3rd_word... don't") == 8


def test_other_languages_have_their_length_alone(tmp_path):
    texts = [f"法院表示，这不是警察的任务{'。再审' * (n % 3)}" for n in range(24)]
    write_scores(_table(tmp_path, texts), tmp_path / "scores.parquet")
    scores = read_scores(tmp_path / "scores.parquet", np.arange(24))
    is_pie = np.arange(24) % 3 == 2
    (row,) = compare(scores, is_pie, 0.99)
    assert row.measure == "text_length"
    assert row.difference == pytest.approx(scores[is_pie, -1].mean() - scores[~is_pie, -1].mean())
    assert pq.read_table(tmp_path / "scores.parquet")["gunning_fog"].null_count == 24


def _table(folder, texts):
    path = folder / "texts.parquet"
    pq.write_table(pa.table({"example": range(len(texts)), "text": texts}), path)
    return path
