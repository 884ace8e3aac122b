"""A data set of one's own: ``table`` (files, or folders of images) and ``hub`` (any data set of the hub)."""

from __future__ import annotations

import hashlib
import json
from abc import abstractmethod
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from prunescope.config.architectures import Arch
from prunescope.config.datasets import Answers, Declared
from prunescope.data import local
from prunescope.data.columns import Columns
from prunescope.data.dataset import DataSet
from prunescope.data.settings import LOCAL
from prunescope.errors import UserError, listed
from prunescope.files import expanded, write_json

if TYPE_CHECKING:
    from prunescope.data.tabular import Prepared, Read

_ANSWERS: dict[str, Answers] = {"regression": "number", "tokens": "tokens"}

#: Raised when the same data lead to other facts.
_FORM = 4


@dataclass(frozen=True)
class Facts:
    """What is known of a user's data once it was read."""

    task: str
    classes: int
    names: list[str]
    counts: dict[str, int]
    longest: int
    image: list[int] | None
    answer_length: float
    unknown_words: dict[str, float]
    notes: list[str]
    warnings: list[str]


class Own(Columns):
    """What a table of one's own holds is known once it was read; that is kept beside the cache of downloads."""

    @property
    def answers(self) -> Answers:
        """By the task; a study without one is looked at, or, where the data is not here, is taken for classes."""
        task = self.task
        if task is None:
            with suppress(UserError):
                task = self.facts.task  # type: ignore[assignment]
        return _ANSWERS.get(task or "", "classes")

    @abstractmethod
    def stamp(self) -> Any:
        """What changes when the data does, without reading it (JSON); None where only reading tells.

        Raises:
            UserError: the data is not there.
        """

    @abstractmethod
    def digest(self) -> str | None:
        """SHA-256 of the data's files, if they are files."""

    @abstractmethod
    def read(self) -> Read:
        """The tables.

        Raises:
            UserError: the data is not there, or unusable.
        """

    def declared(self) -> Declared:
        facts = self.facts
        counts = facts.counts
        return Declared(
            max(1, facts.classes),
            counts["train"],
            counts["validation"],
            counts["test"],
            tokens=0 if facts.image else self.max_tokens or facts.longest,
            image=None if facts.image is None else (facts.image[0], facts.image[1], facts.image[2]),
            several_labels=facts.task == "multi-label",
            answer_length=facts.answer_length,
        )

    def build(self, name: str) -> DataSet:
        if self.content is not None and self.digest() != self.content:
            raise UserError(f"{self.origin}: its files have changed since this run began; start it again")
        return self._prepared().dataset(name)

    def checked(self) -> tuple[list[str], list[str]]:
        self.stamp()  # which says whether it is there, whatever is known from earlier
        return self.facts.notes, self.facts.warnings

    def check_arch(self, name: str, arch: Arch) -> None:
        from prunescope.data.oddities import UNKNOWN_AT_MOST

        facts = self.facts
        least = getattr(arch, "min_count", None)
        given = getattr(arch, "vectors_path", None) or getattr(arch, "published_vectors", None)
        if arch.encoding == "words" and least and given is None:
            share = facts.unknown_words.get(str(min(least, len(facts.unknown_words))), 0.0)
            if share > UNKNOWN_AT_MOST:
                raise UserError(
                    f"{self.origin}: {share:.0%} of its words are unknown to arch {name!r}, which takes what blanks "
                    f"part and knows what it sees {least} times in training; use family encoder, whose subwords know "
                    "them, or texts parted into words"
                )
        most = arch.positions_at_most
        if most is not None and self.max_tokens is None and facts.longest > most:
            raise UserError(
                f"{self.origin}: its texts have up to {facts.longest:,} words, arch {name!r} has {most} positions; "
                f"set max_tokens: {most}, which cuts longer ones"
            )

    def class_names(self) -> list[str] | None:
        return self.facts.names

    def fingerprint(self) -> str | None:
        return self._known["content"]

    @cached_property
    def facts(self) -> Facts:
        """Counts, classes and what is odd: read once, then kept beside the cache of downloads.

        Raises:
            UserError: the data is not there, or unusable.
        """
        return Facts(**self._known["facts"])

    @cached_property
    def _known(self) -> dict[str, Any]:
        from prunescope import __version__
        from prunescope.data.fetch import cache_folder

        given = json.dumps(self.model_dump(mode="json", exclude={"training", "content"}), sort_keys=True)
        key = hashlib.sha256(f"{_FORM} {__version__} {Path.cwd()} {given}".encode()).hexdigest()[:24]
        kept = cache_folder() / "facts" / f"{key}.json"
        known = None
        with suppress(OSError, ValueError):
            known = json.loads(kept.read_text(encoding="utf-8"))
        try:
            stamp = self.stamp()
        except UserError:
            # A job on a machine that does not see the files, or long after they were read: as they were.
            if known is None:
                raise
            return dict(known)
        if known is not None and known["stamp"] == stamp:
            return dict(known)
        try:
            found = {"stamp": stamp, "content": self.digest(), "facts": asdict(self._survey())}
        except OSError as error:
            raise UserError(
                f"{self.origin}: cannot be read ({error.strerror or error}); see its permissions"
            ) from None
        with suppress(UserError):
            write_json(kept, found)
        return found

    def _survey(self) -> Facts:
        found = self._prepared()
        counts = {split: len(rows) for split, rows in found.rows.items()}
        tags = [len(label) for label in found.labels] if found.task == "tokens" else []
        from prunescope.data.published import covering_power_of_two

        texts = zip(*found.inputs.values(), strict=True) if found.size is None else ()
        lengths = [sum(len(part.split()) for part in parts) for parts in texts]
        return Facts(
            task=found.task,
            classes=len(found.classes),
            names=list(found.classes),
            counts=counts,
            longest=covering_power_of_two(lengths) if lengths else 0,
            image=None if found.size is None else list(found.size),
            answer_length=sum(tags) / len(tags) if tags else 0.0,
            unknown_words=found.findings.get("unknown_words", {}),
            notes=list(found.notes),
            warnings=list(found.warnings),
        )

    def _prepared(self) -> Prepared:
        from prunescope.data.tabular import prepare

        return prepare(self, self.read())


class Table(Own):
    """Files of one's own: CSV, TSV, JSON Lines, Parquet, Arrow, or a folder of images by class."""

    source: Literal["table"]
    path: str = Field(
        min_length=1,
        description=f"a file, a folder with one or with train, validation and test files, or a folder of images by "
        f"class; {LOCAL}",
    )

    @property
    def origin(self) -> str:
        return f"path: {self.path}"

    def stamp(self) -> Any:
        return [[str(path), (found := path.stat()).st_size, found.st_mtime_ns] for path in self._files()]

    def digest(self) -> str | None:
        whole = hashlib.sha256()
        root = expanded(self.path)
        for path in self._files():
            with path.open("rb") as file:
                content = hashlib.file_digest(file, "sha256").hexdigest()
            name = path.relative_to(root) if root.is_dir() and path.is_relative_to(root) else path.name
            whole.update(f"{name} {content}\n".encode())
        return whole.hexdigest()

    def read(self) -> Read:
        from prunescope.data.tabular import Read

        root = expanded(self.path)
        if folders := self._image_files(root):
            rows = {
                split: [local.Rows(str(root), {self.image_column: files, self.label: names})]
                for split, (files, names) in folders.items()
            }
            return Read(rows)
        if not self.text and self.image is None:
            raise UserError(
                f"{self.origin}: no folder of images by class; name a column in `text` or `image`"
            )
        found = local.table_files(root)
        rows = {split: [self._rows(path) for path in files] for split, files in found.items()}
        return Read(rows, folder=root if root.is_dir() else root.parent)

    def _rows(self, path: Path) -> local.Rows:
        columns = [(name,) for name in self.wanted]
        try:
            return local.read_rows(path, columns)
        except UserError:
            if "length" not in self.groups or not self.text:
                raise
            return local.read_rows(path, [names for names in columns if names != ("length",)])

    def _files(self) -> list[Path]:
        """All files that the data set is read from; images that a table names are known by the table."""
        root = expanded(self.path)
        if folders := self._image_files(root):
            return [path for files, _ in folders.values() for path in files]
        return [path for files in local.table_files(root).values() for path in files]

    def _image_files(self, root: Path) -> dict[str, tuple[list[Path], list[str]]]:
        """Images and classes by split, of a folder of folders (torchvision's ``ImageFolder``); empty for tables."""
        if self.text or not root.is_dir():
            return {}
        inside = [
            folder for folder in sorted(root.iterdir()) if folder.is_dir() and not folder.name.startswith(".")
        ]
        splits = {split: folder for folder in inside if (split := local.split_called(folder.name))}
        if "train" in splits and any(_images(folder) for folder in _folders(splits["train"])):
            return {split: _by_class(folder) for split, folder in splits.items()}
        files, names = _by_class(root)
        return {"": (files, names)} if files and self.image is None else {}


#: Endings of image files in folders.
_IMAGE_ENDINGS = frozenset(".png .jpg .jpeg .webp .bmp .gif .tif .tiff .ppm .pgm .pbm".split())  # noqa: SIM905


def _folders(root: Path) -> list[Path]:
    return [path for path in sorted(root.iterdir()) if path.is_dir() and not path.name.startswith(".")]


def _images(folder: Path) -> list[Path]:
    return sorted(
        path for path in folder.rglob("*") if path.suffix.lower() in _IMAGE_ENDINGS and path.is_file()
    )


def _by_class(root: Path) -> tuple[list[Path], list[str]]:
    found = [(path, folder.name) for folder in _folders(root) for path in _images(folder)]
    return [path for path, _ in found], [name for _, name in found]


class Hub(Own):
    """Any data set of the Hugging Face hub, by its columns; no code of its repository is run."""

    source: Literal["hub"]
    repo: str = Field(
        pattern=r"^[^/\s]+(/[^/\s]+)?$", description="name on the hub, such as `dair-ai/emotion`"
    )
    config: str | None = Field(None, min_length=1, description="which of the repository's data sets")
    revision: str | None = Field(None, min_length=1, description="branch, tag or commit; null: the newest")

    @property
    def origin(self) -> str:
        return f"repo: {self.repo}"

    def stamp(self) -> Any:
        return [self.repo, self.config, self.revision]

    def digest(self) -> str | None:
        return None

    def read(self) -> Read:
        from prunescope.data.corpus import load_hub
        from prunescope.data.tabular import Read

        found, version = load_hub(self.repo, self.revision, self.config, "use `source: table` with a copy")
        rows: dict[str, list[local.Rows]] = {}
        for name, table in found.items():
            split = local.split_called(name)
            if split is None and len(found) > 1:
                continue
            rows[split or ""] = [self._rows(name, table)]
        if not rows:
            raise UserError(
                f"{self.origin}: its splits are {listed(found)}, none of which is train; see `config`"
            )
        return Read(rows, {"datasets": version, self.repo: self.revision or "newest"})

    def _rows(self, split: str, table: Any) -> local.Rows:
        import datasets  # type: ignore[import-untyped,unused-ignore]

        columns, names = {}, {}
        where = f"{self.repo} ({split})"
        for name in self.wanted:
            if name == "length" and name in self.groups and name not in table.column_names:
                continue
            # Fields within columns have dotted names, as in tables.
            source = table.flatten() if "." in name and name not in table.column_names else table
            local.column(Path(where), source.column_names, (name,))
            feature = source.features[name]
            if isinstance(feature, datasets.Image):
                source = source.cast_column(name, datasets.Image(decode=False))
            inner = getattr(feature, "feature", feature)
            if isinstance(inner, datasets.ClassLabel):
                names[name] = inner.names
            columns[name] = list(source[name])
        return local.Rows(where, columns, names)
