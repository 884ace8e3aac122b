"""Questions, tags and records: every form of their files, what becomes of them, and every way they can be wrong."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pydantic import TypeAdapter, ValidationError

from prunescope.config import architectures as archs
from prunescope.config.datasets import Dataset
from prunescope.data.build import build
from prunescope.data.card import card, card_text
from prunescope.data.dataset import DataTable, TableInfo
from prunescope.data.encoding import byte_pairs, subwords
from prunescope.data.encoding.answers import IGNORED, continued, tagged, windows
from prunescope.data.encoding.encode import encode, load_inputs
from prunescope.data.sources import conll
from prunescope.data.sources.conll import Conll2003
from prunescope.data.sources.data_to_text import DataToText
from prunescope.data.sources.squad import Squad
from prunescope.data.tables import read_table
from prunescope.errors import UserError

CONTEXT = "Oslo is the capital of Norway, a land of fjords."
QUESTIONS = [
    {"question": " What is the capital?", "answers": [{"text": "Oslo", "answer_start": 0}]},
    {
        "question": "Of what?",
        "answers": [{"text": "Norway", "answer_start": 23}, {"text": "of Norway", "answer_start": 20}],
    },
]


def article(questions: list[dict[str, Any]] = QUESTIONS) -> str:
    return json.dumps({"data": [{"title": "t", "paragraphs": [{"context": CONTEXT, "qas": questions}]}]})


def squad_files(folder: Path, form: str) -> Path:
    many = [{**QUESTIONS[n % 2], "question": f"{QUESTIONS[n % 2]['question']} {n}"} for n in range(20)]
    if form == "json":
        (folder / "train-v1.1.json").write_text(article(many))
        (folder / "dev-v1.1.json").write_text(article())
        return folder
    for split, questions in (("train", many), ("validation", QUESTIONS)):
        answers = [
            {key: [answer[key] for answer in q["answers"]] for key in ("text", "answer_start")}
            for q in questions
        ]
        columns = {
            "question": [q["question"] for q in questions],
            "context": [CONTEXT] * len(questions),
            "answers": answers,
        }
        pq.write_table(pa.table(columns), folder / f"{split}.parquet")
    return folder


@pytest.mark.parametrize("form", ["json", "parquet"])
def test_questions_are_the_same_from_every_form(tmp_path: Path, form: str) -> None:
    build("q", Squad(source="squad", path=str(squad_files(tmp_path, form))), tmp_path / "data")
    test = read_table(tmp_path / "data/test.parquet")
    assert test.info.task == "span"
    assert test.texts == {"question": ["What is the capital?", "Of what?"], "context": [CONTEXT] * 2}
    assert test.labels.tolist() == [["Oslo"], ["Norway", "of Norway"]]
    assert test.starts == [[0], [23, 20]]
    counts = {split: len(read_table(tmp_path / f"data/{split}.parquet")) for split in ("train", "validation")}
    assert sum(counts.values()) == 20
    assert counts["validation"] in (2, 3)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (article([{"question": "x?", "answers": []}]), "question 1 has no answer"),
        ('{"data": [{}]}', "not of SQuAD's form"),
        ("{", "not of SQuAD's form"),
        (None, "no test split in a known form; put it there as dev-v1.1.json"),
    ],
)
def test_bad_questions(tmp_path: Path, content: str | None, said: str) -> None:
    squad_files(tmp_path, "json")
    (tmp_path / "dev-v1.1.json").unlink()
    if content is not None:
        (tmp_path / "dev-v1.1.json").write_text(content)
    with pytest.raises(UserError, match=said) as error:
        Squad(source="squad", path=str(tmp_path)).build("q")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "answer",
    [
        {"text": None, "answer_start": 0},
        {"text": 4, "answer_start": 0},
        {"text": "Oslo", "answer_start": None},
        {"text": "Oslo", "answer_start": "0"},
        {"text": "Oslo", "answer_start": 0.0},
    ],
)
def test_answers_without_text_or_position(tmp_path: Path, answer: dict[str, Any]) -> None:
    squad_files(tmp_path, "json")
    (tmp_path / "dev-v1.1.json").write_text(article([*QUESTIONS, {"question": "x?", "answers": [answer]}]))
    with pytest.raises(UserError, match="question 3: its answers are not texts with an offset each"):
        Squad(source="squad", path=str(tmp_path)).build("q")


def test_more_answers_than_positions(tmp_path: Path) -> None:
    squad_files(tmp_path, "parquet")
    row = {"question": "x?", "context": CONTEXT, "answers": {"text": ["Oslo", "Norway"], "answer_start": [0]}}
    (tmp_path / "validation.parquet").unlink()
    (tmp_path / "validation.jsonl").write_text(json.dumps(row))
    with pytest.raises(UserError, match="question 1: its answers are not texts with an offset each"):
        Squad(source="squad", path=str(tmp_path)).build("q")


def test_a_position_before_the_paragraph_is_none(tmp_path: Path) -> None:
    """Counted from the end, as Python does, the text would stand there."""
    squad_files(tmp_path, "json")
    wrong = {"question": "x?", "answers": [{"text": "Oslo", "answer_start": -len(CONTEXT)}]}
    (tmp_path / "dev-v1.1.json").write_text(article([*QUESTIONS, wrong]))
    assert len(Squad(source="squad", path=str(tmp_path)).build("q").tables["test"]) == 2


def test_answers_that_stand_elsewhere_are_left_out_and_counted(tmp_path: Path) -> None:
    squad_files(tmp_path, "json")
    wrong = {"question": "x?", "answers": [{"text": "Oslo", "answer_start": 1}]}
    (tmp_path / "dev-v1.1.json").write_text(article([*QUESTIONS, wrong]))
    data = Squad(source="squad", path=str(tmp_path)).build("q")
    assert len(data.tables["test"]) == 2
    assert "1 answers that are not at their offset were left out." in data.notes


COLUMNS = """-DOCSTART- -X- -X- O

EU NNP I-NP I-ORG
rejects VBZ I-VP O
German JJ I-NP I-MISC
Peter NNP I-NP I-PER
Blackburn NNP I-NP I-PER
Paul NNP I-NP B-PER

BRUSSELS NNP I-NP I-LOC
"""
TAGS = [["B-ORG", "O", "B-MISC", "B-PER", "I-PER", "B-PER"], ["B-LOC"]]
WORDS = [["EU", "rejects", "German", "Peter", "Blackburn", "Paul"], ["BRUSSELS"]]


@pytest.mark.parametrize("form", ["column", "names", "numbers"])
def test_tags_are_the_same_from_every_form(tmp_path: Path, form: str) -> None:
    for split, name in (("train", "eng.train"), ("validation", "eng.testa"), ("test", "eng.testb")):
        if form == "column":
            (tmp_path / name).write_text(COLUMNS)
            continue
        tags: Any = [[conll.CLASSES.index(t) for t in row] for row in TAGS] if form == "numbers" else TAGS
        pq.write_table(pa.table({"tokens": WORDS, "ner_tags": tags}), tmp_path / f"{split}.parquet")
    build("t", Conll2003(source="conll2003", path=str(tmp_path)), tmp_path / "data")
    test = read_table(tmp_path / "data/test.parquet")
    assert test.texts == {"text": [" ".join(words) for words in WORDS]}
    assert [[conll.CLASSES[tag] for tag in row] for row in test.labels] == TAGS
    about = json.loads((tmp_path / "data/card.json").read_text())
    assert {c["class"]: c["test"] for c in about["classes"]}["B-PER"] == 2
    assert sum(c["share_of_examples"] for c in about["classes"]) == pytest.approx(1)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("EU NNP I-ORG\nalone\n", "line 2: has a word but no tag"),
        ("EU NNP I-NP I-XYZ\n", "unknown tag 'I-XYZ'"),
    ],
)
def test_bad_tags(tmp_path: Path, content: str, said: str) -> None:
    for name in ("train.txt", "valid.txt", "test.txt"):
        (tmp_path / name).write_text(content)
    with pytest.raises(UserError, match=said):
        Conll2003(source="conll2003", path=str(tmp_path)).build("t")


@pytest.mark.parametrize(
    ("words", "tags"),
    [(None, [0]), (["a"], None), ("a", ["O"]), ("EU", "O O"), ([None], [0])],
)
def test_rows_that_are_no_lists_of_words_and_tags(tmp_path: Path, words: Any, tags: Any) -> None:
    rows = [{"tokens": ["EU"], "ner_tags": ["B-ORG"]}, {"tokens": words, "ner_tags": tags}]
    for name in ("train", "validation", "test"):
        (tmp_path / f"{name}.jsonl").write_text("\n".join(map(json.dumps, rows)))
    with pytest.raises(UserError, match="sentence 2: must be a list of words and a list of their tags"):
        Conll2003(source="conll2003", path=str(tmp_path)).build("t")


def test_the_hub_gives_tags_without_its_script(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    class Split(dict[str, Any]):
        column_names = ("tokens", "ner_tags")

    def load(*names: str, **settings: Any) -> dict[str, Split]:
        asked.append((names, settings))
        tags = [[conll.CLASSES.index(t) for t in row] for row in TAGS]
        return {split: Split(tokens=WORDS, ner_tags=tags) for split in ("train", "validation", "test")}

    module = ModuleType("datasets")
    module.__dict__.update(load_dataset=load, __version__="4.0.0")
    monkeypatch.setitem(sys.modules, "datasets", module)
    data = Conll2003(source="conll2003").build("t")
    assert asked == [(("eriktks/conll2003",), {"revision": "refs/convert/parquet"})]
    assert len(data.tables["test"]) == 2


RECORD = "Alan_Bean : occupation : Test pilot | Alan_Bean : born : Texas"
TRIPLES = [["Alan_Bean", "occupation", "Test pilot"], ["Alan_Bean", "born", "Texas"]]
REFERENCES = ["Alan Bean was a test pilot from Texas.", "Born in Texas, Alan Bean flew."]


def record_file(folder: Path, source: str, split: str) -> None:
    short = {"train": "train", "validation": "dev", "test": "test"}[split]
    if source == "e2e":
        name = {"train": "trainset", "validation": "devset", "test": "testset_w_refs"}[split]
        rows = "".join(f'"name[Blue Spice], eatType[pub]","{text}"\n' for text in REFERENCES)
        (folder / f"{name}.csv").write_text(f"mr,ref\n{rows}")
    elif source == "dart":
        annotations = [{"source": "x", "text": text} for text in REFERENCES]
        entries = [{"tripleset": TRIPLES, "annotations": annotations}]
        (folder / f"dart-v1.1.1-full-{short}.json").write_text(json.dumps(entries))
    elif source == "webnlg":
        triples = [dict(zip(("subject", "property", "object"), t, strict=True)) for t in TRIPLES]
        entry = {"modifiedtripleset": triples, "lexicalisations": [{"lex": text} for text in REFERENCES]}
        (folder / f"{short}.json").write_text(json.dumps({"entries": [{"1": entry}]}))
    else:
        inner = "".join(f"<mtriple>{' | '.join(t)}</mtriple>" for t in TRIPLES)
        texts = "".join(f"<lex lid='1'>{text}</lex>" for text in REFERENCES)
        (folder / short / "2triples").mkdir(parents=True)
        (folder / short / "2triples" / "Astronaut.xml").write_text(
            f"<benchmark><entries><entry><modifiedtripleset>{inner}</modifiedtripleset>{texts}"
            "<lex lang='ru'>x</lex></entry></entries></benchmark>"
        )


@pytest.mark.parametrize("form", ["e2e", "dart", "webnlg", "webnlg-xml"])
def test_records(tmp_path: Path, form: str) -> None:
    for split in ("train", "validation", "test"):
        record_file(tmp_path, form, split)
    spec = DataToText(source=form.partition("-")[0], path=str(tmp_path))  # type: ignore[arg-type]
    data = spec.build("r")
    record = "name : Blue Spice | eatType : pub" if form == "e2e" else RECORD
    train, test = data.tables["train"], data.tables["test"]
    assert train.texts == {"text": [record, record]}
    assert train.labels.tolist() == [[text] for text in REFERENCES]
    assert test.texts == {"text": [record]}
    assert test.labels.tolist() == [REFERENCES]
    text = card_text(card("r", form, data))
    assert "3 examples, text" not in text
    assert "classes" not in text.split("## Splits")[0]


@pytest.mark.parametrize(
    ("source", "name", "content", "said"),
    [
        ("e2e", "testset_w_refs.csv", "mr,ref\nnothing,a text\n", "'nothing' is no record such as name"),
        ("e2e", "testset_w_refs.csv", "mr,ref\nname[a], \n", "text 1 is missing or empty"),
        ("e2e", "testset_w_refs.csv", "", "is empty; put the data set's file there"),
        (
            "dart",
            "dart-v1-full-test.json",
            '[{"tripleset": [["a", "b", "c"]], "annotations": [{"text": "x"}, {"text": null}]}]',
            "text 2 is missing",
        ),
        ("dart", "dart-v1-full-test.json", '[{"tripleset": []}]', "not of DART's form"),
        ("webnlg", "test.json", "[]", "not of WebNLG's form"),
        ("webnlg", "test.json", '{"entries": []}', "has no records"),
        ("webnlg", "test.xml", '<?xml version="1.0" encoding="shift_jis"?><a/>', "not of WebNLG's form"),
        ("webnlg", "test.xml", '<?xml version="1.0" encoding="foo"?><a/>', "not of WebNLG's form"),
    ],
)
def test_bad_records(tmp_path: Path, source: str, name: str, content: str, said: str) -> None:
    for split in ("train", "validation"):
        record_file(tmp_path, source, split)
    with pytest.raises(UserError, match=f"no test split of {source}"):
        DataToText(source=source, path=str(tmp_path)).build("r")  # type: ignore[arg-type]
    (tmp_path / name).write_text(content)
    with pytest.raises(UserError, match=said) as error:
        DataToText(source=source, path=str(tmp_path)).build("r")  # type: ignore[arg-type]
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"source": "squad", "stride": 320}, "stride: 320 tokens leave"),
        ({"source": "e2e"}, "path"),
        ({"source": "conll2003", "max_tokens": 2}, "max_tokens"),
    ],
)
def test_settings_that_are_refused(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        TypeAdapter(Dataset).validate_python(settings)


def reference_windows(ids: list[int], question: int, size: int, stride: int) -> list[tuple[int, int]]:
    """The range of context tokens of each window, by the rule of the original script, written independently."""
    room = size - question - 3
    found, start = [], 0
    while True:
        end = min(start + room, len(ids))
        found.append((start, end))
        if end == len(ids):
            return found
        start += room - stride


def test_windows_cover_a_paragraph_and_point_at_the_answer() -> None:
    rng = np.random.default_rng(0)
    words = [f"w{n}" for n in range(30)]
    contexts = [" ".join(rng.choice(words, size)) for size in (5, 23, 60)]
    starts = [[context.index(" ", len(context) // 2) + 1] for context in contexts]
    labels = [[context[s[0] :].split()[0]] for context, s in zip(contexts, starts, strict=True)]
    cutter = subwords.Subwords(subwords.learn([*words, "which one of them"], 200))
    spec = Squad(source="squad", path="x", max_tokens=20, stride=4, max_question=4, max_answer=3)
    info = TableInfo("q", "train", "span", (), ("question", "context"))
    answers = np.empty(3, dtype=object)
    answers[:] = labels
    table = DataTable(
        info, answers, texts={"question": ["which one of them"] * 3, "context": contexts}, starts=starts
    )
    arrays, truth = windows(cutter.tokenizer, table, spec, cutter.pad)
    assert truth == {"label": labels, "context": contexts}
    for n, context in enumerate(contexts):
        mine = arrays["owners"] == n
        question = 4
        ids = cutter.numbered([[context]])[0][1:-1]
        expected = reference_windows(ids, question, 20, 4)
        assert int(mine.sum()) == len(expected)
        for offsets, row, (first, last), label in zip(
            arrays["offsets"][mine], arrays["inputs"][mine], expected, arrays["labels"][mine], strict=True
        ):
            inside = np.flatnonzero(offsets[:, 0] >= 0)
            assert row[inside].tolist() == ids[first:last]
            if label.any():
                a, b = label
                assert context[offsets[a, 0] : offsets[b, 1]] == labels[n][0]
            else:
                end = starts[n][0] + len(labels[n][0])
                held = offsets[inside[0], 0] <= starts[n][0] and offsets[inside[-1], 1] >= end
                assert not held
        assert arrays["labels"][mine].any()


def test_tags_stand_at_the_first_subword_of_a_word() -> None:
    cutter = subwords.Subwords(subwords.learn(["a b c d xa xb"], 15))
    info = TableInfo("t", "train", "tokens", ("O", "B-PER"), ("text",))
    labels = np.empty(2, dtype=object)
    labels[:] = [np.array([1, 0, 1], np.int32), np.array([0], np.int32)]
    table = DataTable(info, labels, texts={"text": ["ab c d", "x"]})
    arrays, truth = tagged(cutter.tokenizer, table, 5, cutter.pad)
    # [CLS] ab c d [SEP] would be the words; "ab" is two tokens, so that there is no room for "d".
    assert arrays["lengths"].tolist() == [5, 3]
    assert arrays["words"].tolist()[0] == [-1, 0, -1, 1, -1]
    assert arrays["labels"].tolist()[0] == [IGNORED, 1, IGNORED, 0, IGNORED]
    assert truth == {"label": [[1, 0, 1], [0]]}


def test_bytes_are_cut_the_same_everywhere_and_back(tmp_path: Path) -> None:
    texts = ["In Paris, ça va! " * 3, "the cat sat on the mat", "low lower lowest"]
    program = (
        "import hashlib, json; from prunescope.data.encoding.byte_pairs import learn; "
        f"print(hashlib.sha256(learn({texts!r}, 300).to_str().encode()).hexdigest())"
    )
    digests = {
        subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
        for _ in range(2)
    }
    assert len(digests) == 1
    cutter = byte_pairs.BytePairs(byte_pairs.learn(texts, 300), byte_pairs.END_ID)
    assert cutter.vocabulary[0] == byte_pairs.END
    for text in [*texts, "unseen ☃"]:
        (ids,) = cutter.numbered([text])
        assert cutter.text([*ids, cutter.end, 5, 6]) == " ".join(text.split())
    with pytest.raises(UserError, match="fewer than the 257"):
        byte_pairs.learn(texts, 100)


def test_the_loss_is_of_the_text_alone() -> None:
    cutter = byte_pairs.BytePairs(byte_pairs.learn(["abc"], 257), 0)
    info = TableInfo("r", "train", "text", (), ("text",))
    labels = np.empty(2, dtype=object)
    labels[:] = [["xy", "other"], ["z"]]
    table = DataTable(info, labels, texts={"text": ["ab", "abcdefgh"]})
    arrays, truth = continued(cutter, table, 8)
    a, b, c, x, y, z = (cutter.numbered([letter])[0][0] for letter in "abcxyz")
    assert arrays["inputs"].tolist() == [[a, b, 0, x, y, 0, 0, 0], [a, b, c, 0, z, 0, 0, 0]]
    assert arrays["lengths"].tolist() == [6, 6]
    assert arrays["prompts"].tolist() == [3, 4]
    no = IGNORED
    assert arrays["labels"].tolist() == [[no, no, x, y, 0, no, no, no], [no, no, no, z, 0, no, no, no]]
    assert truth == {"label": [["xy", "other"], ["z"]]}


def test_encoded_inputs_that_do_not_fit_together_are_refused(tmp_path: Path) -> None:
    from safetensors.numpy import load_file, save_file

    spec = Squad(
        source="squad",
        path=str(squad_files(tmp_path, "json")),
        max_tokens=24,
        stride=4,
        max_question=8,
        max_answer=4,
    )
    build("q", spec, tmp_path / "data")
    arch = archs.Encoder(family="encoder", vocabulary=200)
    out = tmp_path / "inputs.safetensors"
    encode(tmp_path / "data", "q", "encoder", spec, arch, out)
    inputs = load_inputs(out)
    assert inputs.max_answer == 4
    assert inputs.splits["test"].truth["context"] == [CONTEXT] * 2
    tensors = load_file(out)
    from safetensors import safe_open

    with safe_open(out, framework="numpy") as file:
        meta = file.metadata()
    for name in ("test.owners", "test.truth", "test.offsets"):
        damaged = {**tensors, name: tensors[name][:-1]}
        save_file(damaged, out, metadata=meta)
        with pytest.raises(UserError, match="not an encoded data set"):
            load_inputs(out)
