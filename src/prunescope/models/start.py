"""Dense models that were trained elsewhere: their files, held against the model, and its weights from them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from prunescope.config.architectures import Arch
from prunescope.config.checkpoints import CONVERT
from prunescope.errors import UserError, listed
from prunescope.models.registry import tied

#: Endings of files that Python's pickle reads, which can run code.
_PICKLES = frozenset({".bin", ".ckpt", ".pkl", ".pickle", ".pt", ".pth"})

#: What a checkpoint may have or lack without being another model's.
_COUNTERS = ("num_batches_tracked", "position_ids")


def tensor_files(start: Path) -> list[Path]:
    """The safetensors files of a checkpoint: the file itself, or all in its folder.

    Raises:
        UserError: there is none; pickles are refused.
    """
    if start.is_dir():
        found = sorted(start.glob("*.safetensors"))
        held = next((path for path in sorted(start.iterdir()) if path.suffix in _PICKLES), None)
    else:
        found = [start] if start.suffix == ".safetensors" else []
        held = start if start.suffix in _PICKLES else None
    if found:
        return found
    if held is not None:
        raise UserError(
            f"start: {held}: a pickled checkpoint, which is not read; " + CONVERT.format(file=held.name)
        )
    raise UserError(f"start: {start}: no safetensors file; give one, or a folder with one")


def give_weights(model: nn.Module, arch: Arch, seed: int) -> None:
    """Give ``model`` the weights of the arch's checkpoint for ``seed``.

    Raises:
        UserError: as ``problem``, or it cannot be read.
    """
    start = arch.start_of(seed)
    files = _tensors(start, seed)
    wrong = problem(model, files, start)
    if wrong:
        raise UserError(wrong)
    state = model.state_dict()
    names = _matched(dict.fromkeys(files), state)
    found = {names[name]: _read(*where) for name, where in files.items() if name in names}
    model.load_state_dict(found, strict=False)


def check_start(model: nn.Module, arch: Arch, seeds: Iterable[int]) -> None:
    """Hold the checkpoint of every seed against the model, which needs no memory for its weights.

    Raises:
        UserError: one is not there, is a pickle, is damaged, or is of another model.
    """
    for start, seed in {arch.start_of(seed): seed for seed in seeds}.items():
        wrong = problem(model, _tensors(start, seed), start)
        if wrong:
            raise UserError(wrong)


def problem(model: nn.Module, files: Mapping[str, tuple[Path, str]], start: Path) -> str | None:
    """Why the tensors are not the model's, in a line; None if they are."""
    wanted = {name: tuple(value.shape) for name, value in model.state_dict().items()}
    names = _matched(files, wanted)
    shared = _shared(model)
    held = set(names.values())
    lacking = [
        name
        for name in wanted
        if not ({name} | shared.get(name, set())) & held and not name.endswith(_COUNTERS)
    ]
    if lacking:
        return (
            f"start: {start}: lacks {len(lacking)} of the model's {len(wanted)} tensors, such as {lacking[0]}; it has "
            f"{listed(files, 3)}; give a checkpoint of this model, trained with its classifier"
        )
    foreign = [name for name in files if name not in names and not name.endswith(_COUNTERS)]
    if foreign:
        return f"start: {start}: has {foreign[0]}, which the model does not have; give a checkpoint of this model"
    classifier = f"{model.final_layer}."
    for name, mine in names.items():
        shape = _shape(*files[name])
        if shape == wanted[mine] or (not shape and wanted[mine] == (1,)):
            continue
        if mine.startswith(classifier) and shape and wanted[mine]:
            return (
                f"start: {start}: its classifier {name} has {shape[0]} outputs, the data {wanted[mine][0]}; give a "
                "checkpoint that was trained for these classes"
            )
        sizes = f"{_by(shape)}, the model's {_by(wanted[mine])}"
        return f"start: {start}: {name} is {sizes}; give a checkpoint of this model"
    return None


def class_names(start: Path) -> list[str] | None:
    """The names of the classes in their order, where a folder's ``config.json`` has names rather than numbers."""
    path = (start if start.is_dir() else start.parent) / "config.json"
    try:
        found = {
            int(number): str(name) for number, name in json.loads(path.read_text("utf-8"))["id2label"].items()
        }
    except (OSError, ValueError, KeyError, AttributeError, TypeError):
        return None
    names = [found[number] for number in sorted(found)]
    return None if all(name == f"LABEL_{number}" for number, name in enumerate(names)) else names


def check_classes(start: Path, classes: list[str]) -> None:
    """Refuse a checkpoint that has the data's classes in another order.

    Raises:
        UserError: it does; the line has the order.
    """
    names = class_names(start)
    if names is not None and names != classes and sorted(names) == sorted(classes):
        raise UserError(
            f"start: {start}: its classes are in the order {listed(names, 5)}, the data's {listed(classes, 5)}; give "
            f"the data set `classes: [{', '.join(map(json.dumps, names))}]`"
        )


def _tensors(start: Path, seed: int) -> dict[str, tuple[Path, str]]:
    """By name in the model, the file of each tensor and its name there; of a file of several seeds, those of one."""
    found: dict[str, tuple[Path, str]] = {}
    for path in tensor_files(start):
        try:
            with safe_open(path, framework="pt") as file:
                names = list(file.keys())
        except (SafetensorError, OSError) as error:
            reason = " ".join(str(error).split())[:160]
            raise UserError(f"start: {path}: cannot be read ({reason}); write it again") from None
        seeds = {name.partition("/model/")[0] for name in names if "/model/" in name}
        if seeds:  # a study's own checkpoint
            if str(seed) not in seeds:
                raise UserError(f"start: {path}: has no seed {seed}; it has {listed(sorted(seeds))}")
            prefix = f"{seed}/model/"
            found |= {name.removeprefix(prefix): (path, name) for name in names if name.startswith(prefix)}
        else:
            found |= {name: (path, name) for name in names}
    return found


def _matched(files: Iterable[str], wanted: Mapping[str, Any]) -> dict[str, str]:
    """By name in the files, the model's name: itself, or below the network that the model is around."""
    names = {}
    for name in files:
        bare = name.removeprefix("module.")
        mine = next((one for one in (bare, f"net.{bare}") if one in wanted), None)
        if mine is not None:
            names[name] = mine
    return names


def _shared(model: nn.Module) -> dict[str, set[str]]:
    """By name of a parameter, all names of the same tensor (tied weights, which files hold once)."""
    return {name: set(alike) for alike in tied(model) for name in alike}


def _shape(path: Path, name: str) -> tuple[int, ...]:
    with safe_open(path, framework="pt") as file:
        return tuple(file.get_slice(name).get_shape())


def _read(path: Path, name: str) -> Tensor:
    with safe_open(path, framework="pt") as file:
        found: Tensor = file.get_tensor(name)
    return found.float() if found.is_floating_point() else found


def _by(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape)) or "a number"
