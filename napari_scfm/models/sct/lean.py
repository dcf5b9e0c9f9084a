"""The network without gradients: some cells at a time, nothing kept that is not needed.

Convolutions, norms and pointwise maps of a level need, beyond a group of cells, only
the statistics of each cell and one or two positions of its neighbours. So each level is
walked in groups of cells whose temporary arrays fit the processor's cache: no array of
a whole level is made but the one that leaves it. The decoder adds into the skips, which
are let go level by level. The numbers are those of the modules, to rounding.

In bfloat16 the levels are stored, and the products taken, in bfloat16; norms,
statistics and the transformer's residual stream stay float32.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from napari_scfm.models.sct.convolutions import convolve, double, pointwise
from napari_scfm.models.sct.norms import EPS, GeneNorm

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_scfm.models.sct.blocks import DecoderBlock, EncoderBlock
    from napari_scfm.models.sct.network import SCTNetwork

ELEMENTS = {"cpu": 2**22, "mps": 2**26, "cuda": 2**26}
"""Numbers of the largest temporary array."""


def gelu(x: Tensor) -> Tensor:
    """Return the tanh form of GELU, in place."""
    out: Tensor = torch.ops.aten.gelu_(x, approximate="tanh")
    return out


class LeanPass:
    """One pass over sequences of cells.

    Parameters
    ----------
    network
        The network; its parameters are read, never changed.
    half
        Whether levels and products are bfloat16.
    """

    def __init__(self, network: SCTNetwork, half: bool) -> None:
        self.network, self.config = network, network.config
        self.kind = torch.bfloat16 if half else torch.float32
        device = network.embed.weight.device.type
        self.room = ELEMENTS.get(device, ELEMENTS["cpu"])

    def towered(
        self, tokens: Tensor, coordinates: Tensor | None, keep: bool
    ) -> tuple[Tensor, list[Tensor]]:
        """Return what enters the transformer, (B, T, E) float32, and the skips.

        Parameters
        ----------
        tokens, coordinates
            As for :meth:`.network.SCTNetwork.forward`.
        keep
            Whether skips are kept.
        """
        x = self._stem(tokens, coordinates)
        skips = []
        for level, block in enumerate(self.network.encoder):
            if keep:
                skips.append(x)
            x = self._encode(block, x, self.config.positions >> level)  # type: ignore[arg-type]
        return x.float(), skips

    def transformed(self, x: Tensor) -> Iterator[Tensor]:
        """Yield (B, T, E) float32 after each layer."""
        half = self.kind == torch.bfloat16
        for layer in self.network.layers:
            with torch.autocast(x.device.type, torch.bfloat16, enabled=half):
                x = layer(x)
            yield x

    def decoded(self, x: Tensor, skips: list[Tensor]) -> Tensor:
        """Return (B, L, channels); the skips are overwritten and let go."""
        x, n = x.to(self.kind), self.config.cell_tokens
        for level, block in enumerate(self.network.decoder):
            x = self._decode(block, x, skips.pop(), n << level)  # type: ignore[arg-type]
        return x

    def scores(self, x: Tensor) -> Tensor:
        """Return (n, alphabet) float32 of (n, channels), some positions at a time."""
        layers = [self._cast(layer) for layer in self.network.head.layers]
        widest = max(weight.shape[0] for weight, _ in layers)
        out = torch.empty(len(x), len(layers[-1][0]), device=x.device)
        step = max(1, self.room // widest)
        for start in range(0, len(x), step):
            part = slice(start, start + step)
            y = x[part].clone()
            for weight, bias in layers:
                y = pointwise(gelu(y), weight, bias)
            out[part] = y
        return out

    def _cast(self, layer: nn.Module) -> tuple[Tensor, Tensor]:
        """Return weight and bias in the kind of the products."""
        return layer.weight.to(self.kind), layer.bias.to(self.kind)  # type: ignore

    def _groups(self, cells: int, size: int) -> Iterator[tuple[int, int]]:
        """Yield groups of cells of so many numbers each, first and past the last."""
        step = max(1, self.room // size)
        for start in range(0, cells, step):
            yield start, min(start + step, cells)

    def _stem(self, tokens: Tensor, coordinates: Tensor | None) -> Tensor:
        net, n = self.network, self.config.positions
        weight, bias = self._cast(net.stem)
        table, side = net.embed.weight.to(self.kind), net.stem.taps // 2
        wide, length = table.shape[1], tokens.shape[1]
        places, around = None, self._around(tokens, coordinates)
        if coordinates is not None:
            places = net.places(coordinates).to(self.kind)
        out = torch.empty((*tokens.shape, wide), dtype=self.kind, device=tokens.device)
        for start, stop in self._groups(length // n, len(tokens) * n * wide):
            first, last = max(start * n - side, 0), min(stop * n + side, length)
            x = F.embedding(tokens[:, first:last], table)
            if places is not None:
                of = torch.arange(first, last, device=tokens.device) // n
                x = x + places[:, of]
            if around is not None:
                x = x + around[:, first:last] @ net.surroundings.weight.to(self.kind)
            lacking = (side - (start * n - first), side - (last - stop * n))
            x = F.pad(x, (0, 0, *lacking))
            out[:, start * n : stop * n] = gelu(convolve(x, weight, bias))
        return out

    def _around(self, tokens: Tensor, coordinates: Tensor | None) -> Tensor | None:
        """Return (B, L, shares) of the cells around, or None where none are told."""
        if not self.config.surroundings:
            return None
        cells = tokens.view(len(tokens), -1, self.config.positions)
        shares = self.network.surroundings.shares(cells, coordinates)
        return shares.flatten(1, 2).to(self.kind)

    def _encode(self, block: EncoderBlock, x: Tensor, n: int) -> Tensor:
        (weight, bias), mix = self._cast(block.conv), self._cast(block.mix)
        batch, length, wide = x.shape[0], x.shape[1], len(weight)
        norm = Normed(block.norm1, x, n, self)
        out = torch.empty((batch, length // 2, wide), dtype=self.kind, device=x.device)
        for start, stop in self._groups(length // n, batch * n * max(wide, x.shape[2])):
            y = gelu(convolve(norm.part(start, stop, 2), weight, bias))
            z = self._mixed(block.norm2, y, n, mix)
            half = z[:, 0::2] + z[:, 1::2]
            out[:, start * n // 2 : stop * n // 2] = half.mul_(0.5)
        return out

    def _decode(self, block: DecoderBlock, x: Tensor, skip: Tensor, n: int) -> Tensor:
        (even, odd), bias = block.up.phases(), block.up.bias.to(self.kind)
        even, odd = even.to(self.kind), odd.to(self.kind)
        mix = self._cast(block.mix)
        norm = Normed(block.norm1, x, n, self)
        size = x.shape[0] * 2 * n * max(len(even), x.shape[2])
        for start, stop in self._groups(x.shape[1] // n, size):
            y = gelu(double(norm.part(start, stop, 1), even, odd, bias))
            z = self._mixed(block.norm2, y, 2 * n, mix)
            own = skip[:, start * 2 * n : stop * 2 * n]
            if self.config.use_skip_connection:
                own += z
            else:
                own.copy_(z)
        return skip

    def _mixed(
        self, norm: nn.Module, y: Tensor, n: int, mix: tuple[Tensor, Tensor]
    ) -> Tensor:
        """Return whole cells with their residual branch added; overwritten."""
        inner = Normed(norm, y, n, self).part(0, y.shape[1] // n, 0)
        y += gelu(pointwise(inner, *mix))
        return y


class Normed:
    """A level as its norm makes it, group by group.

    Parameters
    ----------
    norm
        Over genes or over channels.
    x
        (B, k * n, C), whole cells.
    n
        Positions of a cell.
    run
        The pass.
    """

    def __init__(self, norm: nn.Module, x: Tensor, n: int, run: LeanPass) -> None:
        self.norm, self.x, self.n = norm, x, n
        self.cells = x.view(len(x), -1, n, x.shape[2])
        if isinstance(norm, GeneNorm):
            self.mean, self.inverse = self._statistics(run)

    def _statistics(self, run: LeanPass) -> tuple[Tensor, Tensor]:
        """Return mean and 1 / deviation, each (B, k, 1, C) float32."""
        batch, cells, n, wide = self.cells.shape
        mean = torch.empty((batch, cells, 1, wide), device=self.x.device)
        inverse = torch.empty_like(mean)
        for start, stop in run._groups(cells, batch * n * wide):
            part = self.cells[:, start:stop].float()
            middle = part.mean(dim=2, keepdim=True)
            spread = (part - middle).square_().mean(dim=2, keepdim=True)
            mean[:, start:stop] = middle
            inverse[:, start:stop] = spread.add_(EPS).rsqrt_()
        return mean, inverse

    def part(self, start: int, stop: int, side: int) -> Tensor:
        """Return normed cells ``start`` to ``stop`` with some positions on each side.

        Beyond the ends of the sequence these are 0.
        """
        batch, _, n, wide = self.cells.shape
        length = (stop - start) * n
        shape = (batch, length + 2 * side, wide)
        out = torch.empty(shape, dtype=self.x.dtype, device=self.x.device)
        body = out[:, side : side + length]
        self._fill(
            body.view(batch, stop - start, n, wide), slice(start, stop), slice(n)
        )
        if side:
            left, right = out[:, :side].unsqueeze(1), out[:, -side:].unsqueeze(1)
            self._edge(left, start - 1, slice(n - side, n))
            self._edge(right, stop, slice(side))
        return out

    def _edge(self, out: Tensor, cell: int, places: slice) -> None:
        if 0 <= cell < self.cells.shape[1]:
            self._fill(out, slice(cell, cell + 1), places)
        else:
            out.zero_()

    def _fill(self, out: Tensor, cells: slice, places: slice) -> None:
        x = self.cells[:, cells, places]
        if not isinstance(self.norm, GeneNorm):
            scale, offset = self.norm.scale, self.norm.offset
            out.copy_(F.layer_norm(x.float(), x.shape[-1:], scale, offset, EPS))  # type: ignore
            return
        scale = self.norm.scale[places].unsqueeze(-1)
        offset = self.norm.offset[places].unsqueeze(-1)
        mean, inverse = self.mean[:, cells], self.inverse[:, cells]
        if out.dtype == torch.float32:
            torch.sub(x, mean, out=out).mul_(inverse)
            torch.addcmul(offset, out, scale, out=out)
        else:
            y = torch.sub(x, mean).mul_(inverse)
            out.copy_(y.mul_(scale).add_(offset))
