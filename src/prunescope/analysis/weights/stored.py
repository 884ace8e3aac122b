"""What was measured of the weights of a block of models, or of a cell's: its form on disk."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

from pydantic import ValidationError

from prunescope.analysis.weights.patterns import Packed
from prunescope.config.spec import Spec
from prunescope.errors import BadFileError, UserError
from prunescope.files import read_json, write_json


class Matrix(Spec):
    """One prunable matrix. ``layer``: from 1, in the model's order; ``rows``, ``columns``: outputs and inputs."""

    name: str
    layer: int
    layer_name: str
    matrix: str
    rows: int
    columns: int


class Model(Spec):
    """What one model is left with.

    All but ``magnitudes`` have a value for each of the model's matrices, in their order. ``left``: weights that are
    not zero; ``bytes_exported``: what they take as `prunescope export` writes them. For the others see ``measures``;
    nulls where nothing is left. ``magnitudes``: of all weights that are left, how many are in each of the bins between
    ``measures.edges``. ``exported_score``: on the test split, of the model as it is exported; None where
    that was not asked for.
    """

    seed: int
    left: tuple[int, ...]
    bytes_exported: tuple[int, ...]
    rank: tuple[int, ...]
    empty_rows: tuple[float, ...]
    empty_columns: tuple[float, ...]
    row_gini: tuple[float | None, ...]
    row_gini_random: tuple[float | None, ...]
    column_gini: tuple[float | None, ...]
    column_gini_random: tuple[float | None, ...]
    magnitudes: tuple[int, ...]
    exported_score: float | None = None


class Shown(Spec):
    """Where weights are left in one matrix of one model."""

    seed: int
    name: str
    pattern: Packed


class Weights(Spec):
    """A file of ``job.measure`` (the models of a block of seeds) or of ``join`` (those of a cell), by seed.

    ``shown``: of the first seed, None where no model is left.
    """

    matrices: tuple[Matrix, ...]
    models: tuple[Model, ...]
    shown: Shown | None

    @classmethod
    def read(cls, path: Path) -> Weights:
        """
        Raises:
            UserError: the file is missing, or is something else.
        """
        try:
            found = cls.model_validate(read_json(path))
        except ValidationError:
            raise _not_ours(path) from None
        lists = [getattr(model, name) for model in found.models for name in LISTS]
        if {len(one) for one in lists} - {len(found.matrices)}:
            raise _not_ours(path)
        return found

    def write(self, path: Path) -> None:
        write_json(path, self.model_dump(mode="json", exclude_defaults=True))


#: What ``Model`` has of every matrix.
LISTS = tuple(name for name in Model.model_fields if name not in ("seed", "magnitudes", "exported_score"))


def _not_ours(path: Path) -> UserError:
    return BadFileError(path, "not measures of weights")


def join(blocks: Sequence[Path], out: Path, seeds: Collection[int]) -> None:
    """Write the blocks' files as one, of a cell's seeds.

    Raises:
        UserError: a file is missing or damaged, or the blocks are of different architectures.
    """
    read = [(path, Weights.read(path)) for path in blocks]
    found = [(path, one) for path, one in read if one.models]
    for path, one in found[1:]:
        if one.matrices != found[0][1].matrices:
            raise UserError(
                f"{path}: of another architecture than {found[0][0]}; give the measures of one cell"
            )
    models = [model for _, one in found for model in one.models if model.seed in seeds]
    shown = [one.shown for _, one in found if one.shown is not None and one.shown.seed in seeds]
    Weights(
        matrices=found[0][1].matrices if found else (),
        models=tuple(sorted(models, key=lambda model: model.seed)),
        shown=min(shown, key=lambda one: one.seed, default=None),
    ).write(out)
