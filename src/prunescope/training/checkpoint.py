"""Models of a block of seeds on disk: weights, and optimizer state where training goes on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from prunescope.errors import BadFileError, UserError, listed
from prunescope.files import atomic_path
from prunescope.training.state import DivergedError, TrainingState


def model_tensors(seed: int, model: nn.Module) -> dict[str, Tensor]:
    """``<seed>/model/<name>`` -> tensor, on the CPU."""
    return {
        f"{seed}/model/{name}": value.detach().cpu().contiguous()
        for name, value in model.state_dict().items()
    }


def state_tensors(state: TrainingState) -> dict[str, Tensor]:
    """Weights, and ``<seed>/optimizer/<parameter>/<key>`` for the optimizer's state."""
    tensors = model_tensors(state.seed, state.model)
    for name, parameter in state.model.named_parameters():
        for key, value in state.optimizer.state.get(parameter, {}).items():
            if value is not None:
                tensor = torch.as_tensor(value).detach().cpu().contiguous()
                tensors[f"{state.seed}/optimizer/{name}/{key}"] = tensor
    return tensors


def mask_tensors(state: TrainingState) -> dict[str, Tensor]:
    """``<seed>/mask/<parameter>``, bool. Zeros alone do not tell: a weight that is left may be zero by chance."""
    return {
        f"{state.seed}/mask/{name}": mask.cpu().contiguous() for name, mask in (state.masks or {}).items()
    }


def save(path: Path, tensors: Mapping[str, Tensor], seeds: Sequence[int]) -> None:
    """Write a checkpoint atomically.

    ``seeds``: of the block; those of them without tensors diverged.

    Raises:
        UserError: the disk is full.
    """
    copies = {name: tensor.clone() for name, tensor in tensors.items()}
    with atomic_path(path) as temporary:
        try:
            save_file(copies, temporary, metadata={"seeds": " ".join(map(str, seeds))})
        except SafetensorError as error:
            raise OSError(str(error)) from error


class Checkpoint:
    """A checkpoint file, read one seed at a time.

    ``seeds``: those it has models of; ``diverged``: those that were trained but came to nothing.

    Raises:
        UserError: the file is missing, damaged or not a checkpoint.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            with safe_open(path, framework="pt") as file:
                self.names = list(file.keys())
                block = (file.metadata() or {})["seeds"].split()
            self.seeds = {int(name.split("/", 1)[0]) for name in self.names}
            self.diverged = {int(seed) for seed in block} - self.seeds
        except FileNotFoundError:
            raise BadFileError(path, "no such checkpoint", "") from None
        except (SafetensorError, OSError) as error:
            raise BadFileError(path, f"damaged checkpoint ({error})") from None
        except (KeyError, ValueError):
            raise BadFileError(path, "not a checkpoint of models") from None

    def weights(self, seed: int) -> dict[str, Tensor]:
        """The state dict of one seed's model; empty where it is not here."""
        prefix = f"{seed}/model/"
        with safe_open(self.path, framework="pt") as file:
            return {
                name.removeprefix(prefix): file.get_tensor(name)
                for name in self.names
                if name.startswith(prefix)
            }

    def load(self, seed: int, model: nn.Module) -> None:
        """Give ``model`` the weights that ``seed`` has here.

        Raises:
            UserError: the model in the file is another one.
        """
        try:
            model.load_state_dict(self.weights(seed))
        except RuntimeError as error:
            reason = " ".join(str(error).split())
            raise BadFileError(self.path, f"another model ({reason})") from None

    def restore(self, state: TrainingState) -> None:
        """Give ``state`` the weights of its seed, and optimizer state and masks as far as the file has them.

        Raises:
            UserError: the model in the file is another one.
        """
        self.load(state.seed, state.model)
        prefix = f"{state.seed}/"
        with safe_open(self.path, framework="pt") as file:
            give_state(
                state,
                {
                    name.removeprefix(prefix): file.get_tensor(name)
                    for name in self.names
                    if name.startswith((f"{prefix}optimizer/", f"{prefix}mask/"))
                },
            )


def give_state(state: TrainingState, tensors: Mapping[str, Tensor]) -> None:
    """Optimizer state (``optimizer/<parameter>/<key>``) and masks (``mask/<parameter>``), as far as they are there."""
    parameters = dict(state.model.named_parameters())
    masks = {}
    for name, tensor in tensors.items():
        kind, _, rest = name.partition("/")
        if kind == "optimizer":
            parameter_name, key = rest.rsplit("/", 1)
            parameter = parameters[parameter_name]
            # Fused optimizers keep all of their state, step counters too, beside the weights.
            state.optimizer.state[parameter][key] = tensor.to(parameter.device)
        elif kind == "mask":
            masks[rest] = tensor.to(parameters[rest].device)
    if masks:
        state.set_masks(masks)


def restore(checkpoints: Iterable[Checkpoint], state: TrainingState) -> None:
    """Restore ``state`` from the checkpoint that holds its seed.

    Raises:
        DivergedError: the model of the seed diverged.
        UserError: no checkpoint is of this seed.
    """
    checkpoints = list(checkpoints)
    for checkpoint in checkpoints:
        if state.seed in checkpoint.seeds:
            checkpoint.restore(state)
            return
    if any(state.seed in checkpoint.diverged for checkpoint in checkpoints):
        raise DivergedError("the model that this seed starts from diverged")
    raise UserError(
        f"{listed(checkpoint.path for checkpoint in checkpoints)}: no model of seed {state.seed}; "
        "give the checkpoint of the block that holds it"
    )
