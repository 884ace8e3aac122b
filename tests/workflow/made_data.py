"""Made data sets in the files of published ones: small, and learnable by a model from scratch.

Questions whose answer's kind the question names; sentences whose names follow from a list of words; records of
three slots with a sentence that says them in a fixed order, whatever order the record has.
"""

from __future__ import annotations

import csv
import json
import random
from pathlib import Path

COLOURS = "red green blue yellow black white".split()  # noqa: SIM905
ANIMALS = "dog cat horse mouse eagle snake".split()  # noqa: SIM905
CITIES = "paris rome berlin madrid vienna oslo".split()  # noqa: SIM905
FILLERS = "the a was seen near by some people on old long warm days with little".split()  # noqa: SIM905
KINDS = {"colour": COLOURS, "animal": ANIMALS, "city": CITIES}
PEOPLE = "anna bob carl dora emil frida".split()  # noqa: SIM905


def squad(folder: Path, train: int = 600, dev: int = 200) -> Path:
    """``train-v1.1.json`` and ``dev-v1.1.json``."""
    folder.mkdir(parents=True)
    for name, count in (("train", train), ("dev", dev)):
        draw = random.Random(name)
        paragraphs = []
        for number in range(count):
            words = [draw.choice(values) for values in KINDS.values()]
            for _ in range(6):
                words.insert(draw.randrange(len(words) + 1), draw.choice(FILLERS))
            kind = draw.choice(list(KINDS))
            answer = next(word for word in words if word in KINDS[kind])
            context = " ".join(words)
            place = next(sum(len(w) + 1 for w in words[:n]) for n, word in enumerate(words) if word == answer)
            answers = [{"text": answer, "answer_start": place}]
            question = {"id": f"{name}{number}", "question": f" Which {kind}?", "answers": answers}
            paragraphs.append({"context": context, "qas": [question]})
        data = {"version": "1.1", "data": [{"title": "made", "paragraphs": paragraphs}]}
        (folder / f"{name}-v1.1.json").write_text(json.dumps(data))
    return folder


def conll(folder: Path, train: int = 400, other: int = 200) -> Path:
    """``eng.train``, ``eng.testa`` and ``eng.testb``, with the original tags: B only between entities of a kind."""
    folder.mkdir(parents=True)
    for name, count in (("train", train), ("testa", other), ("testb", other)):
        draw = random.Random(name)
        lines = ["-DOCSTART- -X- O O", ""]
        for _ in range(count):
            words = [(draw.choice(FILLERS), "O") for _ in range(5)]
            person = [(draw.choice(PEOPLE), "I-PER")] * draw.choice((1, 2))
            for names in (person, [(draw.choice(CITIES), "I-LOC")]):
                place = draw.randrange(len(words) + 1)
                if 0 < place < len(words) and words[place - 1][1] == words[place][1] != "O":
                    place = 0
                words[place:place] = names
            lines += [*(f"{word} NN I-NP {tag}" for word, tag in words), ""]
        (folder / f"eng.{name}").write_text("\n".join(lines))
    return folder


def e2e(folder: Path, train: int = 600, other: int = 200) -> Path:
    """``trainset.csv``, ``devset.csv`` and ``testset_w_refs.csv``."""
    folder.mkdir(parents=True)
    for name, count in (("trainset", train), ("devset", other), ("testset_w_refs", other)):
        draw = random.Random(name)
        records: dict[str, str] = {}
        while len(records) < count:
            person, colour, city = draw.choice(PEOPLE), draw.choice(COLOURS), draw.choice(CITIES)
            animal = draw.choice(ANIMALS)
            slots = [f"name[{person}]", f"colour[{colour}]", f"area[{city}]", f"animal[{animal}]"]
            draw.shuffle(slots)
            text = f"In {city} {person} keeps a {colour} {animal}."
            records[", ".join(slots)] = text
        with (folder / f"{name}.csv").open("w", newline="") as file:
            writer = csv.writer(file, quoting=csv.QUOTE_ALL)
            writer.writerows([("mr", "ref"), *records.items()])
    return folder


def stsb(folder: Path, train: int = 600, dev: int = 200) -> Path:
    """STS-B's ``train.tsv`` and ``dev.tsv``: the score is the share of the second sentence's words in the first."""
    folder.mkdir(parents=True)
    words = [*COLOURS, *ANIMALS, *CITIES]
    for name, count in (("train", train), ("dev", dev)):
        draw = random.Random(name)
        lines = ["index\tsentence1\tsentence2\tscore"]
        for number in range(count):
            # How much is in common shows in one kind of word, so that a small model can learn it.
            shared = draw.randrange(6)
            second = [*["good"] * shared, *["bad"] * (5 - shared)]
            draw.shuffle(second)
            lines.append(f"{number}\t{' '.join(draw.sample(words, 3))}\t{' '.join(second)}\t{shared:.3f}")
        (folder / f"{name}.tsv").write_text("\n".join(lines) + "\n")
    return folder
