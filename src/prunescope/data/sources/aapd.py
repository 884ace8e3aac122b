"""The data set ``aapd``: arXiv abstracts and their subjects (Yang et al. 2018)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from prunescope.data import local
from prunescope.data.corpus import FILES, Examples, Preset, assemble
from prunescope.data.dataset import DataSet
from prunescope.data.settings import Archived, Distribution, Lengths, Published
from prunescope.data.splits import sample
from prunescope.errors import UserError

#: The 54 subjects, as arXiv spells them.
CLASSES = tuple(
    """
    cmp-lg cond-mat.dis-nn cond-mat.stat-mech cs.AI cs.CC cs.CE cs.CG cs.CL cs.CR cs.CV cs.CY cs.DB
    cs.DC cs.DL cs.DM cs.DS cs.FL cs.GT cs.HC cs.IR cs.IT cs.LG cs.LO cs.MA cs.MM cs.MS cs.NA cs.NE
    cs.NI cs.PF cs.PL cs.RO cs.SC cs.SE cs.SI cs.SY math.CO math.IT math.LO math.NA math.NT math.OC
    math.PR math.ST nlin.AO physics.data-an physics.soc-ph q-bio.NC q-bio.QM quant-ph stat.AP stat.ME
    stat.ML stat.TH
    """.split()  # noqa: SIM905
)

#: Where there is no training split, this share of the validation split is validation still.
_VALIDATION = 0.2

PRESET = Preset(
    (("text",), ("labels", "label")),
    originals={"train": ("text_train",), "validation": ("text_val",), "test": ("text_test",)},
    advice={"train": ", or set train_from: validation"},
)


class Aapd(Archived):
    """arXiv Academic Paper Dataset (Yang et al. 2018), abstracts with several of 54 subjects."""

    source: Literal["aapd"]
    train_from: Literal["train", "validation"] = Field(
        "train",
        description="validation: without the training split; four fifths of the validation split are trained on",
    )

    published = Published("AAPD", (53_840, 1_000, 1_000), 54, Lengths(167, 161, 1, 599, 70, 242), 256)
    mean_tokens = (256, 177.5)
    several_labels = True
    obtained = "its authors give the files at https://github.com/lancopku/SGM (Google Drive)"

    #: The authors give a page of Google Drive (README of github.com/lancopku/SGM), which is no stable address, and
    #: no checksum: both are the user's to give.
    distribution = Distribution(
        archive="aapd-archive",
        files=tuple(f"{kind}_{part}" for kind in ("text", "label") for part in ("train", "val", "test")),
        most_bytes=1 << 31,
    )

    @model_validator(mode="after")
    def _has_files(self) -> Self:
        if self.path is None and self.url is None:
            raise ValueError(
                "path: required, or `url` and `sha256` of the original archive: its authors publish neither a stable "
                "address nor a checksum (their README: github.com/lancopku/SGM)"
            )
        return self

    def build(self, name: str) -> DataSet:
        """Abstracts from ``path``: the original ``text_*`` and ``label_*`` files, or Parquet, CSV, JSON lines.

        Without ``path``, from the original archive that ``url`` and ``sha256`` name.

        Raises:
            UserError: a file is missing or unusable, or names a subject that is not among the 54.
        """
        from prunescope.data.originals import folder_of

        folder, versions = folder_of(self)
        files = {
            split: names for split, names in FILES.items() if split != "train" or self.train_from == "train"
        }
        found = replace(PRESET, files=files).read(folder, None, _examples, _original)
        found.versions = versions
        if self.train_from == "validation":
            held = found.splits["validation"]
            chosen = sample(held.contents(), held.labels, round(len(held) * (1 - _VALIDATION)))
            found.splits["train"] = held.rows(chosen)
            found.splits["validation"] = held.rows(sorted(set(range(len(held))) - set(chosen)))
            found.reasons.append(
                "The training split is not used (train_from: validation): four fifths of the validation split are "
                "trained on."
            )
        return assemble(name, "multi-label", CLASSES, found, self.max_examples, published=self.published)


def _examples(rows: local.Rows) -> Examples:
    texts = local.text_column(rows, "text")
    places = [f"{rows.path}: row {number}" for number in range(1, len(rows) + 1)]
    names = [
        local.names_of(value, where) for value, where in zip(rows.columns["labels"], places, strict=True)
    ]
    return Examples({"text": texts}, [_label(*one) for one in zip(names, places, strict=True)])


def _original(texts: Path) -> Examples:
    labels = texts.with_name(texts.name.replace("text_", "label_"))
    if not labels.is_file():
        raise UserError(f"{labels}: no such file; it belongs beside {texts.name}")
    abstracts = [line.rstrip("\r\n") for line in local.text_lines(texts)]
    subjects = [line.split() for line in local.text_lines(labels)]
    if len(abstracts) != len(subjects):
        raise UserError(
            f"{labels}: {len(subjects)} lines, but {texts.name} has {len(abstracts)}; fetch both files again"
        )
    for number, abstract in enumerate(abstracts, 1):
        if not abstract.strip():
            raise UserError(f"{texts}: line {number}: an empty text; remove it here and in {labels.name}")
    return Examples({"text": abstracts}, [
        _label(value, f"{labels}: line {number}") for number, value in enumerate(subjects, 1)
    ])  # fmt: skip


_NUMBERS = {name.lower(): number for number, name in enumerate(CLASSES)}


def _label(names: list[str], where: str) -> tuple[int, ...]:
    if not names:
        raise UserError(f"{where}: has no label; remove the row")
    for name in names:
        if name.lower() not in _NUMBERS:
            raise UserError(f"{where}: unknown label {name!r}; give arXiv subjects such as cs.IT or math.IT")
    return tuple(sorted({_NUMBERS[name.lower()] for name in names}))
