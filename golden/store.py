"""Cells in the layouts of the compiled kernels, each with the same operations."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from golden.fixed import Ints
from golden.kernels import convert, packed, product, wide
from golden.slicing import Cells
from panther.arch.params import McuParams

Reals = NDArray[np.float64]


class Store(Protocol):
    """Cells in the layout of some kernels."""

    @property
    def weights(self) -> Reals:
        """The decoded cells."""

    def load(self, cells: Cells) -> None: ...

    def cells(self) -> Cells: ...

    @property
    def nbytes(self) -> int: ...

    def opa(self, x: Ints, e: Ints, saturated: Ints, *, decode: bool) -> bool:
        """Outer products; with ``decode``, of one example whose weights are soon needed.

        False if the operands are not words.
        """

    def crs(self, at_limit: Ints) -> int: ...

    def product(self, x: Ints, bound: int, shift: int, y: Ints, counts: Ints) -> bool:
        """Lossless MVM of one example. False if not of words, or inexact in float64."""

    def mvm(
        self, x: Ints, shift: int, y: Ints, clipped: Ints, counts: Ints, *, exact: bool
    ) -> None:
        """MVM through converters; ``exact`` if lossless sums are exact in float64."""

    def mtvm(
        self, e: Ints, shift: int, y: Ints, clipped: Ints, counts: Ints, *, exact: bool
    ) -> None: ...


class PackedStore:
    """Eight slices of four value bits as the bytes of a word; see :mod:`golden.kernels.packed`."""

    def __init__(self, params: McuParams, cells: Cells) -> None:
        self.params = params
        cell_bits = params.slices.cell_bits
        self._half = np.array([1 << (bits - 1) for bits in cell_bits], np.int64)
        self._limits = (2 * self._half - 1).astype(np.uint8)
        self._high = (1 << (params.operand_bits - 1)) - 1
        self._limit = self._limits.view("<u8")[0]
        self._offset = sum(int(half) << (4 * k) for k, half in enumerate(self._half))
        base = sum(int(half - 8) << (8 * k) for k, half in enumerate(self._half[:-1]))
        self._base = np.uint64(base)
        self._top = np.array(params.slices.cell_range(7), np.int64)
        self._group = 4 if max(cell_bits) <= 6 else 1
        codes = [1 << min(bits - 1, 15) for bits in params.adc_bits]
        steps = params.adc_step_log2
        rows = np.array([self._half, steps, [-c for c in codes], [c - 1 for c in codes]], np.int16)
        self._adc = np.tile(rows, convert.COLUMNS)
        ends = [[min(c - 1, 254) for c in codes], [min(c, 254) for c in codes]]
        self._reach = np.tile(np.array([self._half, *ends], np.uint8), 32)
        self._words = packed.aligned(*cells.shape[1:])
        self._weights = packed.aligned(*cells.shape[1:]).view(np.float64)
        self._stale = np.ones(len(self._weights), np.bool_)
        self._any_stale = True
        self.load(cells)

    @property
    def weights(self) -> Reals:
        if self._any_stale:
            packed.refresh(self._words, self._offset, self._stale, self._weights)
            self._any_stale = False
        return self._weights

    def load(self, cells: Cells) -> None:
        lifted = (cells + self._half[:, np.newaxis, np.newaxis]).astype(np.uint8)
        in_bytes = np.ascontiguousarray(lifted.transpose(1, 2, 0))
        self._words[:] = in_bytes.view("<u8")[..., 0]
        self._stale[:] = True
        self._any_stale = True

    def cells(self) -> Cells:
        in_bytes = self._words.astype("<u8").view(np.uint8).reshape(*self._words.shape, 8)
        lifted = in_bytes.transpose(2, 0, 1).astype(np.int64)
        return (lifted - self._half[:, np.newaxis, np.newaxis]).astype(np.int16)

    @property
    def nbytes(self) -> int:
        return self._words.nbytes + self._weights.nbytes

    def opa(self, x: Ints, e: Ints, saturated: Ints, *, decode: bool) -> bool:
        decoded = decode, self._stale, self._weights
        scale = self._high, self._limit, self._offset
        done: bool = packed.opa(self._words, x, e, *scale, *decoded, saturated)
        self._any_stale |= done and not decode
        return done

    def crs(self, at_limit: Ints) -> int:
        lost: int = packed.crs(
            self._words, self._limits, self._offset, self._base, self._top, self._stale, at_limit
        )
        self._any_stale |= lost > 0
        return lost

    def product(self, x: Ints, bound: int, shift: int, y: Ints, counts: Ints) -> bool:
        scale = self.params.rows, bound, shift, self.params.operand_bits
        done: bool
        if self._any_stale:
            done = packed.product(self._words, x, self._offset, *scale, y, counts)
        else:
            done = product.mvm_one(self._weights, x, *scale, y, counts)
        return done

    def mvm(
        self, x: Ints, shift: int, y: Ints, clipped: Ints, counts: Ints, *, exact: bool
    ) -> None:
        self._read(x, self.params.rows, shift, y, clipped, counts, exact=exact, turn=False)

    def mtvm(
        self, e: Ints, shift: int, y: Ints, clipped: Ints, counts: Ints, *, exact: bool
    ) -> None:
        self._read(e, self.params.columns, shift, y, clipped, counts, exact=exact, turn=True)

    def _read(
        self, x: Ints, tile: int, shift: int, y: Ints, clipped: Ints, counts: Ints, *,
        exact: bool, turn: bool,
    ) -> None:  # fmt: skip
        exact = exact and not any(self.params.adc_step_log2)
        products = np.empty((0, 0, 0))
        if exact and len(x) > 1:
            weights = self.weights.T if turn else self.weights
            real = x.astype(np.float64)
            products = np.empty((-(-x.shape[1] // tile), *y.shape))
            for t, start in enumerate(range(0, x.shape[1], tile)):
                part = slice(start, start + tile)
                np.matmul(real[:, part], weights[part], out=products[t])
        convert.convert(
            self._words, x, products, exact, turn, tile, self._adc, self._reach, self._offset,
            self._group, self.params.operand_bits, shift, y, clipped, counts,
        )  # fmt: skip


class WideStore:
    """Cells of any slicing as 16-bit integers; see :mod:`golden.kernels.wide`."""

    def __init__(self, params: McuParams, cells: Cells) -> None:
        self.params = params
        ranges = [params.slices.cell_range(k) for k in range(params.slices.count)]
        self._low, self._high = np.array(ranges, np.int64).T.copy()
        self._adc_bits = np.array(params.adc_bits, np.int64)
        self._adc_step = np.array(params.adc_step_log2, np.int64)
        self._weights = np.empty(cells.shape[1:])
        self._stale = True
        self.load(cells)

    @property
    def weights(self) -> Reals:
        if self._stale:
            wide.decode(self._cells, self.params.slices.value_bits, self._weights)
            self._stale = False
        return self._weights

    def load(self, cells: Cells) -> None:
        self._cells = np.array(cells, np.int16, order="C")
        self._stale = True

    def cells(self) -> Cells:
        return self._cells.copy()

    @property
    def nbytes(self) -> int:
        return self._cells.nbytes + self._weights.nbytes

    def opa(self, x: Ints, e: Ints, saturated: Ints, *, decode: bool) -> bool:
        word, value_bits = (1 << (self.params.operand_bits - 1)) - 1, self.params.slices.value_bits
        cells = self._low, self._high, saturated
        done: bool = wide.opa(self._cells, x, e, word, value_bits, *cells)
        self._stale |= done
        return done

    def crs(self, at_limit: Ints) -> int:
        value_bits = self.params.slices.value_bits
        lost: int = wide.crs(self._cells, value_bits, self._low, self._high, at_limit)
        self._stale = True
        return lost

    def product(self, x: Ints, bound: int, shift: int, y: Ints, counts: Ints) -> bool:
        scale = self.params.rows, bound, shift, self.params.operand_bits
        done: bool = product.mvm_one(self.weights, x, *scale, y, counts)
        return done

    def mvm(
        self, x: Ints, shift: int, y: Ints, clipped: Ints, counts: Ints, *, exact: bool
    ) -> None:
        self._read(self._cells, x, self.params.rows, shift, y, clipped, counts)

    def mtvm(
        self, e: Ints, shift: int, y: Ints, clipped: Ints, counts: Ints, *, exact: bool
    ) -> None:
        turned = np.ascontiguousarray(self._cells.transpose(0, 2, 1))
        self._read(turned, e, self.params.columns, shift, y, clipped, counts)

    def _read(
        self, cells: Cells, x: Ints, tile: int, shift: int, y: Ints, clipped: Ints, counts: Ints
    ) -> None:
        p, bits = self.params.slices.value_bits, self.params.operand_bits
        adc = self._adc_bits, self._adc_step
        wide.mvm(cells, x, tile, p, *adc, bits, shift, y, clipped, counts)


def is_packed(params: McuParams) -> bool:
    """Whether the packed kernels apply: 8 x 4 value bits, cells of at most 8, ADC steps below 16.

    Their sums have 16 bits, of which a step of ``2**16`` would leave no bit to round by.
    """
    slices = params.slices
    shape = slices.value_bits == 4 and slices.count == 8
    return shape and max(slices.cell_bits) <= 8 and max(params.adc_step_log2) < 16


def make_store(params: McuParams, cells: Cells) -> Store:
    """The fastest store for a slicing."""
    return PackedStore(params, cells) if is_packed(params) else WideStore(params, cells)
