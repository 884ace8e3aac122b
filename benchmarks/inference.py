"""What a pruned encoder takes on disk, and how fast it runs on a CPU, one text at a time, dense and sparse.

    python benchmarks/inference.py [--layers 12] [--tokens 128] [--sparsities 0.5 0.8 0.9 0.95 0.99] [--threads 1]
                                   [--repeats 15] [--out FILE]

An encoder of BERT-base's sizes with drawn weights, pruned by magnitude over all matrices of the encoder (times do not
depend on the values), runs one text in turn by:

- torch: its dense float32 kernels, on the network as it was and on the pruned one;
- torch-csr: every pruned matrix as a torch sparse CSR tensor, multiplied by MKL's sparse kernels;
- scipy-csr: the same by scipy.sparse, whose kernels use one thread;
- openvino: OpenVINO's dense float32 network; openvino-int8: quantized by NNCF with one made text for calibration;
  openvino-int8-sparse: the same with its decompression of sparse weights (CPU_SPARSE_WEIGHTS_DECOMPRESSION_RATE), which
  OpenVINO offers for 8-bit weights. Only where the packages openvino and nncf are installed; they are no requirement.

The fastest of ``repeats`` rounds counts; every round runs all ways, so that they share what else the machine does.
DeepSparse, which the PINS paper used, is discontinued and no longer installable.
"""

from __future__ import annotations

import argparse
import datetime
import importlib.metadata
import importlib.util
import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy import sparse
from torch import Tensor, nn

from machine import processor
from prunescope.config.architectures import Encoder
from prunescope.export.files import compress
from prunescope.models.registry import build, prunable
from prunescope.models.shape import Shape
from prunescope.pruning.mask import apply_masks, full_masks, prune

VOCABULARY = 30522


class CsrLinear(nn.Module):
    """A linear layer over a torch sparse CSR matrix."""

    def __init__(self, layer: nn.Linear) -> None:
        super().__init__()
        self.weight, self.bias = layer.weight.detach().to_sparse_csr(), layer.bias.detach()

    def forward(self, x: Tensor) -> Tensor:
        flat = x.reshape(-1, x.shape[-1])
        return (self.weight @ flat.T).T.reshape(*x.shape[:-1], -1) + self.bias


class ScipyLinear(nn.Module):
    """A linear layer over a scipy CSR matrix."""

    def __init__(self, layer: nn.Linear) -> None:
        super().__init__()
        self.weight = sparse.csr_array(layer.weight.detach().numpy())
        self.bias = layer.bias.detach()

    def forward(self, x: Tensor) -> Tensor:
        flat = np.ascontiguousarray(x.reshape(-1, x.shape[-1]).numpy().T)
        made = torch.from_numpy((self.weight @ flat).T)
        return made.reshape(*x.shape[:-1], -1) + self.bias


def pruned(layers: int, tokens: int, sparsity: float) -> nn.Module:
    """The encoder with ``sparsity`` of its prunable weights gone."""
    arch = Encoder(family="encoder", layers=layers)
    model = build(arch, Shape(classes=2, vocabulary=VOCABULARY, length=tokens), 0).eval()
    if sparsity:
        weights = prunable(model)
        scores = {name: weight.detach().abs() for name, weight in weights.items()}
        total = sum(weight.numel() for weight in weights.values())
        apply_masks(weights, prune(scores, full_masks(scores), round(sparsity * total)))
    return model


def replaced(model: nn.Module, kind: Callable[[nn.Linear], nn.Module], names: set[str]) -> nn.Module:
    """``model`` with its pruned linear layers as ``kind``."""
    for name, layer in list(model.named_modules()):
        if isinstance(layer, nn.Linear) and f"{name}.weight" in names:
            parent, _, last = name.rpartition(".")
            setattr(model.get_submodule(parent), last, kind(layer))
    return model


def by_openvino(model: nn.Module, text: Tensor, threads: int, kind: str) -> Callable[[], np.ndarray]:
    import openvino as ov

    with torch.no_grad():
        network = ov.convert_model(model, example_input=text, input=[list(text.shape)])
    settings: dict[str, Any] = {
        "INFERENCE_NUM_THREADS": threads,
        "NUM_STREAMS": 1,
        "PERFORMANCE_HINT": "LATENCY",
    }
    if kind == "openvino":
        settings["INFERENCE_PRECISION_HINT"] = "f32"
    else:
        import nncf

        network = nncf.quantize(network, nncf.Dataset([text.numpy()]), model_type=nncf.ModelType.TRANSFORMER)
    if kind == "openvino-int8-sparse":
        # Matrices with at least this share of zeros are decompressed from their sparse form.
        settings["CPU_SPARSE_WEIGHTS_DECOMPRESSION_RATE"] = 0.5
    compiled = ov.Core().compile_model(network, "CPU", settings)
    numbers = text.numpy()
    return lambda: next(iter(compiled(numbers).values()))


def ways(
    layers: int, tokens: int, sparsity: float, threads: int, text: Tensor
) -> dict[str, Callable[[], Any]]:
    """What runs ``text`` through the pruned network, by name."""

    def run(model: nn.Module) -> Callable[[], Any]:
        return lambda: model(text).numpy()

    model = pruned(layers, tokens, sparsity)
    found: dict[str, Callable[[], Any]] = {"torch": run(model)}
    names = set(prunable(model))
    if sparsity:
        for name, kind in (("torch-csr", CsrLinear), ("scipy-csr", ScipyLinear)):
            found[name] = run(replaced(pruned(layers, tokens, sparsity), kind, names))
    if importlib.util.find_spec("openvino"):
        kinds = ["openvino"]
        if importlib.util.find_spec("nncf"):
            kinds += ["openvino-int8", *(["openvino-int8-sparse"] if sparsity else [])]
        for kind in kinds:
            found[kind] = by_openvino(pruned(layers, tokens, sparsity), text, threads, kind)
    return found


def measured(runs: dict[str, Callable[[], Any]], repeats: int) -> dict[str, dict[str, float]]:
    """Least and median milliseconds by way, and how far its outputs are from torch's."""
    reference = runs["torch"]()
    away = {name: float(np.abs(run() - reference).max()) for name, run in runs.items()}
    times: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(repeats):
        for name, run in runs.items():
            started = time.perf_counter()
            run()
            times[name].append(time.perf_counter() - started)
    return {
        name: {
            "ms": 1e3 * min(found),
            "ms_median": 1e3 * statistics.median(found),
            "largest_difference": away[name],
        }
        for name, found in times.items()
    }


def sizes(layers: int, tokens: int, sparsity: float) -> dict[str, float]:
    """MB (10^6 bytes) of the prunable matrices: float32, and as `prunescope export` writes them."""
    model = pruned(layers, tokens, sparsity)
    tensors = {name: weight.detach().numpy() for name, weight in prunable(model).items()}
    exported = compress(tensors, set(tensors), {})
    before, after = exported.matrix_bytes_dense / 1e6, exported.matrix_bytes / 1e6
    return {"matrices_mb_float32": before, "matrices_mb_exported": after, "times_smaller": before / after}


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--layers", type=int, default=12)
    parser.add_argument("--tokens", type=int, default=128)
    parser.add_argument("--sparsities", type=float, nargs="+", default=[0.5, 0.8, 0.9, 0.95, 0.99])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    text = torch.randint(5, VOCABULARY, (1, args.tokens), generator=torch.Generator().manual_seed(0))
    rows = []
    with torch.no_grad():
        for sparsity in (0.0, *args.sparsities):
            row: dict[str, Any] = {"sparsity": sparsity, **sizes(args.layers, args.tokens, sparsity)}
            runs = ways(args.layers, args.tokens, sparsity, args.threads, text)
            row["ways"] = measured(runs, args.repeats)
            for way in row["ways"].values():
                way["speed_over_torch"] = row["ways"]["torch"]["ms"] / way["ms"]
            rows.append(row)
            print(json.dumps(row), file=sys.stderr, flush=True)
    packages = ("torch", "scipy", "transformers", "openvino", "nncf")
    versions = {name: importlib.metadata.version(name) for name in packages if importlib.util.find_spec(name)}
    result = {
        "what": "one text through an encoder of BERT-base's sizes on a CPU; least milliseconds",
        "command": f"python benchmarks/inference.py {' '.join(sys.argv[1:])}".strip(),
        "date": datetime.date.today().isoformat(),
        "device": processor(),
        "cores": os.cpu_count(),
        "threads": args.threads,
        "layers": args.layers,
        "tokens": args.tokens,
        "versions": {"python": platform.python_version(), **versions},
        "rows": rows,
    }
    text_out = json.dumps(result, indent=2) + "\n"
    if args.out:
        args.out.write_text(text_out, encoding="utf-8")
    print(text_out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
