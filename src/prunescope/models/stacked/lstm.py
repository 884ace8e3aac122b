"""One layer of many LSTMs at once, by batched matrix products.

cuDNN trains one LSTM at a time and has no rule for vmap. Here all replicas and both directions are one
batch of N independent LSTMs: the inputs of all steps are projected in one product, each step is one batched
product with the recurrent weights and the cell; the backward pass is the mirror of it, with the
gradients of the weights in one product over all steps at the end.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any, Protocol

import torch
from torch import Tensor


class Cell(Protocol):
    """The elementwise part of a step. Rows are independent; gates are in torch's order i, f, g, o."""

    def forward(self, inputs: Tensor, hidden: Tensor, c: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Gates' projections (M, 4H) of input and state, cell (M, H) -> h, c (M, H), activated gates (M, 4H)."""
        ...

    def backward(
        self, grad_h: Tensor, grad_c: Tensor, c: Tensor, new_c: Tensor, gates: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Gradients of h and the new cell -> of the projections (M, 4H) and of the cell before (M, H)."""
        ...


@dataclass(frozen=True)
class PlainCell:
    """Hochreiter and Schmidhuber's cell with forget gates, as in the documentation of ``torch.nn.LSTM``."""

    def forward(self, inputs: Tensor, hidden: Tensor, c: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        gates = inputs + hidden
        units = c.shape[1]
        gates[:, : 2 * units].sigmoid_()
        gates[:, 2 * units : 3 * units].tanh_()
        gates[:, 3 * units :].sigmoid_()
        i, f, g, o = gates.split(units, dim=1)
        new_c = (f * c).addcmul_(i, g)
        return new_c.tanh().mul_(o), new_c, gates

    def backward(
        self, grad_h: Tensor, grad_c: Tensor, c: Tensor, new_c: Tensor, gates: Tensor
    ) -> tuple[Tensor, Tensor]:
        i, f, g, o = gates.split(c.shape[1], dim=1)
        tanh_c = new_c.tanh()
        grad_c = (grad_h * o).mul_(1 - tanh_c * tanh_c).add_(grad_c)
        grads = torch.cat([grad_c * g, grad_c * c, grad_c * i, grad_h * tanh_c], dim=1)
        units = c.shape[1]
        # The derivative of the sigmoid s is s (1 - s), of tanh t it is 1 - t^2.
        grads[:, : 2 * units].mul_(gates[:, : 2 * units] * (1 - gates[:, : 2 * units]))
        grads[:, 2 * units : 3 * units].mul_(1 - g * g)
        grads[:, 3 * units :].mul_(o * (1 - o))
        return grads, grad_c * f


@dataclass(frozen=True)
class FusedCell:
    """The kernels behind ``torch.nn.LSTMCell`` on a GPU: one forward, one backward."""

    def forward(self, inputs: Tensor, hidden: Tensor, c: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        h, new_c, gates = torch.ops.aten._thnn_fused_lstm_cell(inputs, hidden, c)
        return h, new_c, gates

    def backward(
        self, grad_h: Tensor, grad_c: Tensor, c: Tensor, new_c: Tensor, gates: Tensor
    ) -> tuple[Tensor, Tensor]:
        grad_gates, grad_before, _ = torch.ops.aten._thnn_fused_lstm_cell_backward_impl(
            grad_h.contiguous(), grad_c.contiguous(), c, new_c, gates, False
        )
        return grad_gates, grad_before


def cell_for(device: torch.device) -> Cell:
    """The fastest cell that gives on this device what the plain one gives."""
    return FusedCell() if device.type == "cuda" and fused_agrees(str(device)) else PlainCell()


@cache
def fused_agrees(device: str) -> bool:
    """Whether torch's fused kernels, no public interface, are there and do what is asked of them here."""
    generator = torch.Generator().manual_seed(0)

    def draw(width: int) -> Tensor:
        return torch.randn(6, width, generator=generator).to(device)

    inputs, hidden, c, grad_h, grad_c = draw(20), draw(20), draw(5), draw(5), draw(5)
    found = []
    for cell in (PlainCell(), FusedCell()):
        try:
            h, new_c, gates = cell.forward(inputs, hidden, c)
            found.append((h, new_c, *cell.backward(grad_h, grad_c, c, new_c, gates)))
        except (RuntimeError, AttributeError, NotImplementedError):
            return False
    return all(torch.allclose(a, b, rtol=1e-4, atol=1e-5) for a, b in zip(*found, strict=True))


class _Layer(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, w_ih: Tensor, w_hh: Tensor, bias: Tensor) -> Tensor:
        count, steps, batch, width = x.shape
        units = w_hh.shape[2]
        cell = cell_for(x.device)
        with precision_of_cudnn():
            flat = x.reshape(count, steps * batch, width)
            projected = torch.baddbmm(bias[:, None], flat, w_ih.transpose(1, 2))
            # Steps first, so that the rows of a step are one block.
            inputs = projected.view(count, steps, batch, 4 * units).transpose(0, 1).contiguous()
            recurrent = w_hh.transpose(1, 2)
            h = x.new_zeros(count * batch, units)
            c = torch.zeros_like(h)
            outputs, cells, gates = [], [c], []
            for step in inputs:
                hidden = torch.bmm(h.view(count, batch, units), recurrent)
                h, c, activated = cell.forward(step.view(-1, 4 * units), hidden.view(-1, 4 * units), c)
                outputs.append(h)
                cells.append(c)
                gates.append(activated)
            out = torch.stack(outputs).view(steps, count, batch, units)
        ctx.save_for_backward(x, w_ih, w_hh, out)
        ctx.cell, ctx.cells, ctx.gates = cell, cells, gates
        return out

    @staticmethod
    def backward(ctx: Any, grad_out: Tensor) -> tuple[Tensor | None, Tensor, Tensor, Tensor]:
        x, w_ih, w_hh, out = ctx.saved_tensors
        count, steps, batch, width = x.shape
        units = w_hh.shape[2]
        grad_h = grad_out[-1].reshape(-1, units)
        grad_c = torch.zeros_like(grad_h)
        grads: list[Tensor] = []
        with precision_of_cudnn():
            for t in range(steps - 1, -1, -1):
                grad_gates, grad_c = ctx.cell.backward(
                    grad_h, grad_c, ctx.cells[t], ctx.cells[t + 1], ctx.gates[t]
                )
                grads.append(grad_gates)
                if t:
                    by_step = grad_gates.view(count, batch, 4 * units)
                    grad_h = torch.baddbmm(grad_out[t - 1], by_step, w_hh).view(-1, units)
            grads.reverse()
            stacked = torch.stack(grads).view(steps, count, batch, 4 * units)
            flat = stacked.transpose(0, 1).reshape(count, steps * batch, 4 * units)
            before = torch.cat([out.new_zeros(1, *out.shape[1:]), out[:-1]]).transpose(0, 1)
            columns = flat.transpose(1, 2)
            grad_ih = torch.bmm(columns, x.reshape(count, steps * batch, width))
            grad_hh = torch.bmm(columns, before.reshape(count, steps * batch, units))
            grad_x = torch.bmm(flat, w_ih).view(x.shape) if ctx.needs_input_grad[0] else None
        return grad_x, grad_ih, grad_hh, flat.sum(dim=1)


def lstm_layer(x: Tensor, w_ih: Tensor, w_hh: Tensor, bias: Tensor) -> Tensor:
    """N LSTMs of one layer, each over its own sequences, from states of zero.

    Args:
        x: (N, L, B, D), L steps of B sequences.
        w_ih: (N, 4H, D); w_hh: (N, 4H, H); bias: (N, 4H), the sum of torch's two. Gates i, f, g, o.

    Returns: (L, N, B, H), the states after each step.
    """
    out: Tensor = _Layer.apply(x, w_ih, w_hh, bias)
    return out


@contextmanager
def precision_of_cudnn() -> Iterator[None]:
    """Matrix products in the precision that cuDNN computes LSTMs in: TF32 on a GPU unless switched off."""
    before = torch.backends.cuda.matmul.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32
    try:
        yield
    finally:
        torch.backends.cuda.matmul.allow_tf32 = before
