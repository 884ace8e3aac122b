"""Models of texts or images that transformers makes of a checkpoint, whose parts are found by structure."""

from __future__ import annotations

from functools import cache
from typing import Any

from torch import Tensor, nn

from prunescope.config import architectures
from prunescope.data.encoding.tokenizers import AnyTokenizer
from prunescope.data.hub import load_part, quiet
from prunescope.data.vision import prepare_torchvision
from prunescope.errors import UserError
from prunescope.models.causal import wrapped
from prunescope.models.encoder import token_types
from prunescope.models.measure import Measured, last_linear, layers_of, measured_image, on_meta
from prunescope.models.registry import count_parameters, prunable
from prunescope.models.shape import Shape


def build(arch: architectures.Transformers, shape: Shape) -> nn.Module:
    return _made(arch, shape, random=arch.weights == "random")


def counted(arch: architectures.Transformers, shape: Shape) -> tuple[nn.Module, None]:
    """The model without its weights, which need not be at hand."""
    return _made(arch, shape, random=True), None


def fetch(arch: architectures.Transformers) -> Any:
    """Load tokenizer and weights once, so that they are in the hub's cache; the configuration."""
    prepare_torchvision()
    import transformers

    config = load_part(transformers.AutoConfig, arch)
    if arch.input == "text":
        AnyTokenizer(arch)
    build(arch, Shape(classes=2, image=(3, 32, 32) if arch.input == "image" else None))
    return config


def _made(arch: architectures.Transformers, shape: Shape, *, random: bool) -> nn.Module:
    if shape.writes:
        prepare_torchvision()
        import transformers

        net, report = _loaded(transformers.AutoModelForCausalLM, arch, shape, random, "language model")
        model = wrapped(net, arch, shape)
        _refuse_lacking(net, arch, model.final_layer.removeprefix("lm."), report)
        return model
    kind = AutoImages if arch.input == "image" else AutoClassifier
    return kind(arch, shape, random=random)


class AutoClassifier(nn.Module):
    """``AutoModelForSequenceClassification`` or ``AutoModelForTokenClassification`` of a checkpoint.

    Input (B, L) int64 token ids, padded with the tokenizer's padding token (that of the end where it has none), which
    is masked. Output logits (B, classes), or (B, L, classes) of every token.
    """

    def __init__(self, arch: architectures.Transformers, shape: Shape, *, random: bool) -> None:
        super().__init__()
        prepare_torchvision()
        import transformers

        kind = (
            transformers.AutoModelForTokenClassification
            if shape.per_token
            else transformers.AutoModelForSequenceClassification
        )
        self.net, report = _loaded(kind, arch, shape, random, "classifier of texts")
        self.final_layer = f"net.{_last_layer(self.net, arch, shape.classes, report)}"
        types = getattr(self.net.config, "type_vocab_size", 0) or 0
        self.pad, self.separator = shape.pad, shape.separator if types >= 2 else None

    def forward(self, tokens: Tensor) -> Tensor:
        further = {}
        if self.separator is not None:
            further["token_type_ids"] = token_types(tokens, self.separator, self.pad)
        mask = tokens != self.pad
        # A text of nothing but padding is still one token.
        mask[:, 0] = True
        output = self.net(input_ids=tokens, attention_mask=mask.long(), **further)
        logits: Tensor = output.logits
        return logits.float()


class AutoImages(nn.Module):
    """``AutoModelForImageClassification`` of a checkpoint.

    Input (B, channels, height, width) float; output logits (B, classes). Grey images fill all channels; images are
    scaled to the side that the checkpoint takes.
    """

    def __init__(self, arch: architectures.Transformers, shape: Shape, *, random: bool) -> None:
        super().__init__()
        prepare_torchvision()
        import transformers

        self.net, report = _loaded(
            transformers.AutoModelForImageClassification, arch, shape, random, "classifier of images"
        )
        self.final_layer = f"net.{_last_layer(self.net, arch, shape.classes, report)}"
        # Of models of images and texts, the part that sees.
        config = getattr(self.net.config, "vision_config", self.net.config)
        size = getattr(config, "image_size", None)
        self.side: int | None = size[0] if isinstance(size, list | tuple) else size
        self.channels = int(getattr(config, "num_channels", 3))

    @property
    def prunable_layers(self) -> tuple[nn.Module, ...]:
        return layers_of(self)

    def forward(self, images: Tensor) -> Tensor:
        if images.shape[1] == 1:
            images = images.expand(-1, self.channels, -1, -1)
        if self.side is not None and images.shape[2:] != (self.side, self.side):
            images = nn.functional.interpolate(
                images, size=(self.side, self.side), mode="bilinear", align_corners=False
            )
        logits: Tensor = self.net(pixel_values=images).logits
        return logits.float()


def _loaded(
    kind: Any, arch: architectures.Transformers, shape: Shape, random: bool, of: str
) -> tuple[Any, dict[str, Any] | None]:
    """The network, with a classifier for the classes; what its checkpoint lacks, None where it is not read."""
    import transformers

    config = load_part(transformers.AutoConfig, arch)
    if not shape.writes:
        config.num_labels = shape.classes
    # transformers looks there for which of several classes of a type is meant.
    config.architectures = config.architectures or []
    attention: dict[str, Any] = {}
    if of == "classifier of texts":
        config.pad_token_id = shape.pad
    if config.model_type == "modernbert":
        # It would take flash attention and compile itself where it can; neither is deterministic.
        config.reference_compile = False
        attention = {"attn_implementation": "sdpa"}
    if random:
        try:
            with quiet():
                return kind.from_config(config, **attention).float(), None
        except (ValueError, TypeError, AttributeError) as error:
            reason = " ".join(str(error).split())[:200]
            raise UserError(f"checkpoint: {arch.checkpoint} makes no {of} ({reason})") from None
    net, report = load_part(
        kind,
        arch,
        config=config,
        use_safetensors=True,
        ignore_mismatched_sizes=True,
        output_loading_info=True,
        **attention,
    )
    return net.float(), report


def _last_layer(
    net: Any, arch: architectures.Transformers, classes: int, report: dict[str, Any] | None
) -> str:
    """The name of the classifier; all else must be the checkpoint's."""
    layer = last_linear(net, classes)
    if not layer:
        raise UserError(
            f"checkpoint: {arch.checkpoint} has no last layer with an output for each class; choose another one"
        )
    _refuse_lacking(net, arch, layer, report)
    return layer


def _refuse_lacking(
    net: Any, arch: architectures.Transformers, layer: str, report: dict[str, Any] | None
) -> None:
    if report is None:
        return
    # A classifier is new, a pooler may be.
    last, body = f"{layer}.", f"{net.base_model_prefix}."
    lacking = [name for name in report["missing_keys"] if name.startswith(body) and "pooler" not in name]
    wrong = [str(key[0]) for key in report["mismatched_keys"] if not str(key[0]).startswith(last)]
    if lacking or wrong:
        raise UserError(
            f"{arch.checkpoint}: lacks weights that the model has, such as {sorted(lacking + wrong)[0]}; "
            "fetch it again, or set `weights: random`"
        )


def measured_on(
    arch: architectures.Transformers, facts: architectures.Facts, per_token: bool = False
) -> Measured:
    """What a plan needs of the model; of images, by a forward pass of shapes without numbers."""
    image = (facts.image or (3, 32, 32)) if arch.input == "image" else None
    shape = Shape(classes=max(1, facts.classes), per_token=per_token, image=image, writes=facts.writes)
    return _measured(arch.checkpoint, arch.revision, shape)


@cache
def _measured(checkpoint: str, revision: str | None, shape: Shape) -> Measured:
    arch = architectures.Transformers(
        family="transformers",
        checkpoint=checkpoint,
        revision=revision,
        reads="text" if shape.image is None else "image",
    )
    model = on_meta(lambda: _made(arch, shape, random=True))
    if shape.image is not None:
        return measured_image(model, shape.image)
    shapes = {name: tuple(weight.shape) for name, weight in prunable(model).items()}
    return Measured(shapes, {}, count_parameters(model), 0, (1, shape.classes))
