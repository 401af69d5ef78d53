"""Cells of one weight as the bytes of one 64-bit word: eight slices of four value bits.

Byte ``k`` of the word of a weight is ``c[k] + 2**(cell_bits[k] - 1)``, so that 0 and the limit
``2**cell_bits[k] - 1`` are the ends of the cell's range and one is the bitwise complement of the
other within the cell's width. A cell's room in the direction of a pulse is then ``byte ^ mask``,
with the mask the limit for upwards and 0 for downwards, and the pulse a saturating subtraction.
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from golden.kernels.product import add_words, is_exact, tile_norm
from golden.kernels.vector import LOST, pulse3, pulse4

Bytes = NDArray[np.uint8]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]
Reals = NDArray[np.float64]
Words = NDArray[np.uint64]
Word = np.uint64

LANES = 0x0F0F0F0F0F0F0F0F
COLUMNS = 256
"""Columns of a block of the OPA of one example: its tables stay in the second-level cache."""
BATCH_COLUMNS = 128
"""Columns of a block of the OPA of many examples: its cells stay there as well."""

_U8 = np.uint8
_U64 = np.uint64
_EVEN_HALVES = np.uint64(0x0000FFFF0000FFFF)
_EVEN_BYTES = np.uint64(0x00FF00FF00FF00FF)
_NIBBLES = np.uint64(LANES)
_LOW_HALF = np.uint64(0xFFFFFFFF)
_ONE = np.uint64(1)
_S4, _S8, _S16, _S32, _S56 = (np.uint64(n) for n in (4, 8, 16, 32, 56))


@njit(cache=True)
def aligned(rows: int, columns: int) -> Words:
    """An array of words that begins at a cache line, which vectors then do not straddle."""
    raw = np.empty(rows * columns + 7, np.uint64)
    skipped = (-raw.ctypes.data & 63) // 8
    return raw[skipped : skipped + rows * columns].reshape(rows, columns)


@njit(cache=True, inline="always")
def _spread(value: Word) -> Word:
    """The eight nibbles of a 32-bit number as the bytes of a word."""
    word = (value | (value << _S16)) & _EVEN_HALVES
    word = (word | (word << _S8)) & _EVEN_BYTES
    return (word | (word << _S4)) & _NIBBLES


@njit(cache=True, inline="always")
def fold(word: Word) -> np.int64:
    """``sum(byte[k] << 4 * k)``."""
    pairs = (word & _EVEN_BYTES) + (((word >> _S8) & _EVEN_BYTES) << _S4)
    fours = (pairs & _EVEN_HALVES) + (((pairs >> _S16) & _EVEN_HALVES) << _S8)
    return np.int64((fours & _LOW_HALF) + ((fours >> _S32) << _S16))


@njit(cache=True)
def _decode_row(words: Words, offset: int, weights: Reals) -> None:
    for c in range(words.size):
        weights[c] = np.float64(fold(words[c]) - offset)


@njit(cache=True)
def refresh(words: Words, offset: int, stale: Flags, weights: Reals) -> None:
    """Decode the rows marked in ``stale``, of shape (rows,), and clear the marks.

    A weight is ``fold(word) - offset``; words and weights have the shape (rows, columns).
    """
    for r in range(words.shape[0]):
        if stale[r]:
            _decode_row(words[r], offset, weights[r])
            stale[r] = False


@njit(cache=True)
def list_driven(x: Ints, rows: Ints) -> int:
    """List the rows whose input is not zero; returns their number."""
    used = 0
    for r in range(x.size):
        if x[r] != 0:
            rows[used] = r
            used += 1
    return used


@njit(cache=True)
def sum_rows(words: Words, x: Ints, rows: Ints, used: int, offset: int, product: Reals) -> None:
    """Exact sums of ``x`` times the weights over some rows."""
    zero = np.float64(offset)
    product[:] = 0.0
    for n in range(0, used - 1, 2):
        w0, w1 = words[rows[n]], words[rows[n + 1]]
        x0, x1 = np.float64(x[rows[n]]), np.float64(x[rows[n + 1]])
        for c in range(product.size):
            v0, v1 = np.float64(fold(w0[c])) - zero, np.float64(fold(w1[c])) - zero
            product[c] += x0 * v0 + x1 * v1
    if used & 1:
        w0, x0 = words[rows[used - 1]], np.float64(x[rows[used - 1]])
        for c in range(product.size):
            product[c] += x0 * (np.float64(fold(w0[c])) - zero)


@njit(cache=True)
def product(
    words: Words, x: Ints, offset: int, tile: int, bound: int, shift: int, bits: int, y: Ints,
    counts: Ints,
) -> bool:  # fmt: skip
    """:func:`golden.kernels.product.mvm_one` on words, decoded on the way."""
    if not is_exact(x, tile, bound, shift, bits):
        return False
    product = np.empty(words.shape[1])
    rows = np.empty(tile, np.int64)
    for start in range(0, x.size, tile):
        used = list_driven(x[start : start + tile], rows)
        sum_rows(words[start : start + tile], x[start : start + tile], rows, used, offset, product)
        add_words(product, shift, bits, y, counts)
    return True


@njit(cache=True)
def _copy(words: Words, into: Words) -> None:
    for c in range(words.size):
        into[c] = words[c]


@njit(cache=True)
def _fill(e: Ints, limit: Word, table: Words, mask: Words) -> None:
    """Tables of one example and some columns.

    ``table[v]`` holds what a row adds whose ``abs(x)`` is ``v``, at most 15. A nibble ``v`` further
    up adds the same further up: the digits of ``abs(e) << 4 * n`` are those of ``abs(e)``, ``n``
    slices up. ``mask[0]`` goes with a positive input, ``mask[1]`` with a negative one.
    """
    for c in range(e.size):
        value = _U64(abs(e[c]))
        table[0, c] = _U64(0)
        for bit in range(4):
            table[1 << bit, c] = _spread(value << _U64(bit))
        mask[0, c] = limit if e[c] > 0 else _U64(0)
        mask[1, c] = _U64(0) if e[c] > 0 else limit
    for v in range(3, 16):
        low = v & -v
        if low != v:
            _add_row(table[v - low], table[low], table[v])


@njit(cache=True)
def _add_row(left: Words, right: Words, into: Words) -> None:
    for c in range(into.size):
        into[c] = left[c] + right[c]


@njit(cache=True)
def _flush(lost: Bytes, saturated: Ints) -> None:
    for i in range(lost.size):
        saturated[i & 7] += np.int64(lost[i])
        lost[i] = 0


@njit(cache=True)
def opa(
    words: Words, x: Ints, e: Ints, high: int, limit: Word, offset: int, decode: bool,
    stale: Flags, weights: Reals, saturated: Ints,
) -> bool:  # fmt: skip
    """Outer products of a batch, one example after another.

    Does nothing, and says so, unless both operands are words.

    Parameters
    ----------
    words : ndarray of uint64, shape (rows, columns)
    x : ndarray of int64, shape (examples, rows)
    e : ndarray of int64, shape (examples, columns)
    high : int
        The greatest word.
    limit : uint64
        The greatest byte of every slice.
    offset : int
        See :func:`refresh`.
    decode : bool
        Whether to bring the weights up to date while their words are at hand; of one example only.
    stale : ndarray of bool, shape (rows,)
        Otherwise the rows that change are marked.
    weights : ndarray of float64, shape (rows, columns)
    saturated : ndarray of int64, shape (8,)
        Grows by the cells of each slice that saturate.
    """
    if (
        tile_norm(x, x.shape[1], -high - 1, high) < 0
        or tile_norm(e, e.shape[1], -high - 1, high) < 0
    ):
        return False
    rows, columns = words.shape
    alone = x.shape[0] == 1
    width = min(columns, COLUMNS if alone else BATCH_COLUMNS)
    scratch = aligned(0 if alone else rows, width)
    lost = np.zeros(LOST, np.uint8)
    for start in range(0, columns, width):
        size = min(columns - start, width)
        stop = start + size
        block, base = words, start
        if not alone:
            block, base = scratch.reshape(-1)[: rows * size].reshape(rows, size), 0
            for r in range(rows):
                _copy(words[r, start:stop], block[r])
        table, mask = aligned(16, size), aligned(2, size)
        tables, masks, cells = table.ctypes.data, mask.ctypes.data, block.ctypes.data + 8 * base
        counters, row_bytes, used = lost.ctypes.data, 8 * block.shape[1], 8 * size
        rows_of_counters = 255 // (size // 8 + 7)
        pulses = 0
        for b in range(x.shape[0]):
            _fill(e[b, start:stop], limit, table, mask)
            for r in range(rows):
                if x[b, r] == 0:
                    continue
                row = cells + r * row_bytes
                signed = masks + (used if x[b, r] < 0 else 0)
                v = abs(x[b, r])
                t0 = tables + (v & 15) * used
                t1 = tables + ((v >> 4) & 15) * used
                t2 = tables + ((v >> 8) & 15) * used
                if v < 4096:
                    pulse3(row, signed, counters, t0, t1, t2, used)
                else:
                    t3 = tables + (v >> 12) * used
                    pulse4(row, signed, counters, t0, t1, t2, t3, used)
                if not decode:
                    stale[r] = True
                else:
                    _decode_row(words[r, start:stop], offset, weights[r, start:stop])
                pulses += 1
                if pulses == rows_of_counters:
                    _flush(lost, saturated)
                    pulses = 0
        _flush(lost, saturated)
        if not alone:
            for r in range(rows):
                _copy(block[r], words[r, start:stop])
    return True


@njit(cache=True)
def _resolve_row(words: Words, offset: int, base: Word, low: int, high: int) -> int:
    """Canonical words of a row; the number of weights whose top slice saturated."""
    saturated = 0
    for c in range(words.size):
        rest = fold(words[c]) - offset + 0x08888888
        exact = rest >> 28
        digit = exact if exact > low else low
        digit = digit if digit < high else high
        saturated += digit != exact
        lower = _spread(_U64(rest & 0x0FFFFFFF))
        words[c] = (lower + base) + (_U64(digit - low) << _S56)
    return saturated


@njit(cache=True)
def crs(
    words: Words, limit: Bytes, offset: int, base: Word, top: Ints, stale: Flags, at_limit: Ints
) -> int:
    """Resolve the carries: decode every weight, and spread its nibbles over the slices again.

    Parameters
    ----------
    words : ndarray of uint64, shape (rows, columns)
    limit : ndarray of uint8, shape (8,)
        The greatest byte of each slice.
    offset : int
        See :func:`refresh`.
    base : uint64
        Byte of each slice but the top one for the digit -8.
    top : ndarray of int64, shape (2,)
        Range of the top slice's cells.
    stale : ndarray of bool, shape (rows,)
        The rows whose weights change are marked.
    at_limit : ndarray of int64, shape (8,)
        Grows by the cells of each slice found at either end of their range.

    Returns
    -------
    int
        Weights whose top slice saturated.
    """
    rows, columns = words.shape
    cells = words.view(np.uint8)
    limits = np.empty(8 * columns, np.uint8)
    for i in range(limits.size):
        limits[i] = limit[i & 7]
    found = np.zeros(8 * columns, np.uint8)
    saturated = 0
    low, high = top[0], top[1]
    for r in range(rows):
        for i in range(limits.size):
            cell = cells[r, i]
            found[i] = _U8(found[i] + _U8((cell == 0) | (cell == limits[i])))
        if r % 255 == 254:
            _flush(found, at_limit)
        lost = _resolve_row(words[r], offset, base, low, high)
        if lost:
            stale[r] = True
            saturated += lost
    _flush(found, at_limit)
    return saturated
