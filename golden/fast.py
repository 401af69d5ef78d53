"""The fast matrix: bit-identical to :class:`golden.matrix.LiteralMatrix`, counters included."""

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from golden.fixed import Ints, as_integers, as_words, check_shift
from golden.kernels import convert, packed, product, wide
from golden.matrix import Counters, check_batch, check_weights, load_cells
from golden.slicing import Cells, weight_bound
from panther.arch.params import McuParams

EXACT = 1 << 53
"""Integers below are exact in float64."""

Reals = NDArray[np.float64]


class _Store(Protocol):
    """Cells in the layout of some kernels."""

    @property
    def weights(self) -> Reals:
        """The decoded cells."""

    def load(self, cells: Cells) -> None: ...

    def cells(self) -> Cells: ...

    @property
    def nbytes(self) -> int: ...

    def opa(self, x: Ints, e: Ints, saturated: Ints, *, decode: bool) -> None:
        """Outer products; with ``decode``, weights are soon needed."""

    def crs(self, at_limit: Ints) -> int: ...

    def product(self, x: Ints, shift: int, y: Ints, counts: Ints) -> None:
        """Lossless MVM of one example."""

    def mvm(self, x: Ints, shift: int, y: Ints, clipped: Ints, counts: Ints) -> None: ...

    def mtvm(self, e: Ints, shift: int, y: Ints, clipped: Ints, counts: Ints) -> None: ...


class _PackedStore:
    """Eight slices of four value bits as the bytes of a word; see :mod:`golden.kernels.packed`."""

    def __init__(self, params: McuParams, cells: Cells) -> None:
        self.params = params
        cell_bits = params.slices.cell_bits
        self._half = np.array([1 << (bits - 1) for bits in cell_bits], np.int64)
        self._limits = (2 * self._half - 1).astype(np.uint8)
        self._limit = self._limits.view("<u8")[0]
        self._offset = sum(int(half) << (4 * k) for k, half in enumerate(self._half))
        base = sum(int(half - 8) << (8 * k) for k, half in enumerate(self._half[:-1]))
        self._base = np.uint64(base)
        self._top = np.array(params.slices.cell_range(7), np.int64)
        self._group = 4 if max(cell_bits) <= 6 else 1
        codes = [1 << min(bits - 1, 15) for bits in params.adc_bits]
        steps = [min(step, 15) for step in params.adc_step_log2]
        rows = np.array([self._half, steps, [-c for c in codes], [c - 1 for c in codes]], np.int16)
        self._adc = np.tile(rows, convert.COLUMNS)
        self._weights = np.empty(cells.shape[1:])
        self._stale = np.ones(len(self._weights), np.bool_)
        self.load(cells)

    @property
    def weights(self) -> Reals:
        packed.refresh(self._words, self._offset, self._stale, self._weights)
        return self._weights

    def load(self, cells: Cells) -> None:
        lifted = (cells + self._half[:, np.newaxis, np.newaxis]).astype(np.uint8)
        in_bytes = np.ascontiguousarray(lifted.transpose(1, 2, 0))
        self._words = in_bytes.view("<u8")[..., 0].astype(np.uint64)
        self._stale[:] = True

    def cells(self) -> Cells:
        in_bytes = self._words.astype("<u8").view(np.uint8).reshape(*self._words.shape, 8)
        lifted = in_bytes.transpose(2, 0, 1).astype(np.int64)
        return (lifted - self._half[:, np.newaxis, np.newaxis]).astype(np.int16)

    @property
    def nbytes(self) -> int:
        return self._words.nbytes + self._weights.nbytes

    def opa(self, x: Ints, e: Ints, saturated: Ints, *, decode: bool) -> None:
        decoded = decode, self._stale, self._weights
        packed.opa(self._words, x, e, self._limit, self._offset, *decoded, saturated)

    def crs(self, at_limit: Ints) -> int:
        lost: int = packed.crs(
            self._words, self._limits, self._offset, self._base, self._top, self._stale, at_limit
        )
        return lost

    def product(self, x: Ints, shift: int, y: Ints, counts: Ints) -> None:
        bits, tile = self.params.operand_bits, self.params.rows
        if self._stale.any():
            packed.product(self._words, x, self._offset, tile, shift, bits, y, counts)
        else:
            product.mvm_one(self._weights, x, tile, shift, bits, y, counts)

    def mvm(self, x: Ints, shift: int, y: Ints, clipped: Ints, counts: Ints) -> None:
        bits, tile = self.params.operand_bits, self.params.rows
        convert.mvm(self._words, x, tile, self._adc, self._group, bits, shift, y, clipped, counts)

    def mtvm(self, e: Ints, shift: int, y: Ints, clipped: Ints, counts: Ints) -> None:
        bits, tile = self.params.operand_bits, self.params.columns
        convert.mtvm(self._words, e, tile, self._adc, self._group, bits, shift, y, clipped, counts)


class _WideStore:
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

    def opa(self, x: Ints, e: Ints, saturated: Ints, *, decode: bool) -> None:
        value_bits = self.params.slices.value_bits
        wide.opa(self._cells, x, e, value_bits, self._low, self._high, saturated)
        self._stale = True

    def crs(self, at_limit: Ints) -> int:
        value_bits = self.params.slices.value_bits
        lost: int = wide.crs(self._cells, value_bits, self._low, self._high, at_limit)
        self._stale = True
        return lost

    def product(self, x: Ints, shift: int, y: Ints, counts: Ints) -> None:
        bits, tile = self.params.operand_bits, self.params.rows
        product.mvm_one(self.weights, x, tile, shift, bits, y, counts)

    def mvm(self, x: Ints, shift: int, y: Ints, clipped: Ints, counts: Ints) -> None:
        self._read(self._cells, x, self.params.rows, shift, y, clipped, counts)

    def mtvm(self, e: Ints, shift: int, y: Ints, clipped: Ints, counts: Ints) -> None:
        turned = np.ascontiguousarray(self._cells.transpose(0, 2, 1))
        self._read(turned, e, self.params.columns, shift, y, clipped, counts)

    def _read(
        self, cells: Cells, x: Ints, tile: int, shift: int, y: Ints, clipped: Ints, counts: Ints
    ) -> None:
        p, bits = self.params.slices.value_bits, self.params.operand_bits
        adc = self._adc_bits, self._adc_step
        wide.mvm(cells, x, tile, p, *adc, bits, shift, y, clipped, counts)


def is_packed(params: McuParams) -> bool:
    """Whether the packed kernels hold the slicing: 8 x 4 value bits, cells of at most 8 bits."""
    slices = params.slices
    return slices.value_bits == 4 and slices.count == 8 and max(slices.cell_bits) <= 8


def is_lossless(params: McuParams) -> bool:
    """Whether no converter can ever clip or round."""
    wide_enough = zip(params.adc_bits, params.lossless_bits, strict=True)
    return not any(params.adc_step_log2) and all(bits >= need for bits, need in wide_enough)


class FastMatrix:
    """A :class:`golden.matrix.Matrix` on compiled kernels.

    With lossless converters, products are float64 matrix products as long as those are exact
    (sum of absolute inputs of a tile times the greatest weight below ``2**53``), else 64-bit
    integer ones; with others the converter kernels go through all steps.

    Parameters
    ----------
    params : McuParams
    weights : array_like of int, shape (rows, columns)

    Raises
    ------
    ValueError
        If the weights are no matrix or do not fit the slicing.
    """

    def __init__(self, params: McuParams, weights: Any) -> None:
        self.params = params
        cells = check_weights(weights, params)
        self._shape = (cells.shape[1], cells.shape[2])
        self._store: _Store = (_PackedStore if is_packed(params) else _WideStore)(params, cells)
        self._lossless = is_lossless(params)
        self._bound = weight_bound(params.slices)
        self._high = (1 << (params.operand_bits - 1)) - 1
        self._clipped = np.zeros(params.slices.count, np.int64)
        self._opa_saturated = np.zeros(params.slices.count, np.int64)
        self._at_limit = np.zeros(params.slices.count, np.int64)
        self._counts = np.zeros(2, np.int64)
        self._crs_saturated = 0
        self._transposes = False

    @property
    def shape(self) -> tuple[int, int]:
        return self._shape

    @property
    def cells(self) -> Cells:
        return self._store.cells()

    @property
    def weights(self) -> Ints:
        return self._store.weights.astype(np.int64)

    @property
    def nbytes(self) -> int:
        """Memory of the arrays."""
        return self._store.nbytes

    @property
    def counters(self) -> Counters:
        return Counters(
            clipped=tuple(self._clipped.tolist()),
            saturated=int(self._counts[0]),
            add_saturated=int(self._counts[1]),
            opa_saturated=tuple(self._opa_saturated.tolist()),
            at_limit=tuple(self._at_limit.tolist()),
            crs_saturated=self._crs_saturated,
        )

    def _words(self, name: str, values: Any, length: int, tile: int) -> tuple[Ints, int]:
        """``values`` as words with a batch axis, and the greatest norm of a tile."""
        words = values
        if type(words) is not np.ndarray or words.dtype != np.int64 or not words.flags.c_contiguous:
            words = np.ascontiguousarray(as_integers(name, values))
        if words.ndim == 1:
            words = words[np.newaxis]
        if words.ndim != 2 or words.shape[1] != length:
            shape = (*np.shape(values)[:-1], length)[-2:]
            as_words(name, values, bits=self.params.operand_bits, shape=shape)
        norm = int(product.tile_norm(words, tile, -self._high - 1, self._high))
        if norm < 0:
            as_words(name, words, bits=self.params.operand_bits, shape=words.shape)
        return words, norm

    def mvm(self, x: Any, shift: int) -> Ints:
        """See :meth:`golden.matrix.Matrix.mvm`."""
        rows, columns = self._shape
        bits, tile = self.params.operand_bits, self.params.rows
        check_shift(shift)
        word, norm = self._words("Input", x, rows, tile)
        y = np.zeros((len(word), columns), np.int64)
        if not self._lossless:
            self._store.mvm(word, shift, y, self._clipped, self._counts)
        elif not self._is_exact(norm, shift):
            weights = self._store.weights
            product.integer_product(weights, word, tile, shift, bits, y, self._counts)
        elif len(word) == 1:
            self._store.product(word[0], shift, y[0], self._counts)
        else:
            weights, real = self._store.weights, word.astype(np.float64)
            for start in range(0, rows, tile):
                total = real[:, start : start + tile] @ weights[start : start + tile]
                product.add_words_batch(total, shift, bits, y, self._counts)
        return y if np.ndim(x) == 2 else y[0]

    def mtvm(self, e: Any, shift: int) -> Ints:
        """See :meth:`golden.matrix.Matrix.mtvm`."""
        rows, columns = self._shape
        bits, tile = self.params.operand_bits, self.params.columns
        check_shift(shift)
        word, norm = self._words("Error", e, columns, tile)
        y = np.zeros((len(word), rows), np.int64)
        self._transposes = True
        if not self._lossless:
            self._store.mtvm(word, shift, y, self._clipped, self._counts)
        elif not self._is_exact(norm, shift):
            weights = self._store.weights
            product.integer_product(weights.T, word, tile, shift, bits, y, self._counts)
        else:
            weights, real = self._store.weights, word.astype(np.float64)
            for start in range(0, columns, tile):
                total = real[:, start : start + tile] @ weights[:, start : start + tile].T
                product.add_words_batch(total, shift, bits, y, self._counts)
        return y if np.ndim(e) == 2 else y[0]

    def opa(self, x: Any, e: Any) -> None:
        """See :meth:`golden.matrix.Matrix.opa`."""
        x_word, _ = self._words("Input", x, self._shape[0], self._shape[0])
        e_word, _ = self._words("Error", e, self._shape[1], self._shape[1])
        check_batch(x_word, e_word)
        decode = self._lossless and (self._transposes or len(x_word) > 1)
        self._store.opa(x_word, e_word, self._opa_saturated, decode=decode)

    def crs(self) -> None:
        """See :meth:`golden.matrix.Matrix.crs`."""
        self._crs_saturated += self._store.crs(self._at_limit)

    def load(self, cells: Any) -> None:
        """See :meth:`golden.matrix.Matrix.load`."""
        self._store.load(load_cells(cells, self.params, self._shape))

    def _is_exact(self, norm: int, shift: int) -> bool:
        """Whether sums, with half an LSB of the result added, are exact in float64."""
        return norm * self._bound + (1 << shift >> 1) < EXACT
