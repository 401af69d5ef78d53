"""Cells of one weight as the bytes of one 64-bit word: eight slices of four value bits.

Byte ``k`` of the word of a weight is ``c[k] + 2**(cell_bits[k] - 1)``, so that 0 and the limit
``2**cell_bits[k] - 1`` are the ends of the cell's range and one is the bitwise complement of the
other within the cell's width. A cell's room in the direction of a pulse is then ``byte ^ mask``,
with the mask the limit for upwards and 0 for downwards, and the pulse a saturating subtraction.
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from golden.kernels.product import add_words
from golden.kernels.vector import LOST, pulse3, pulse4, sum_four, sum_one

Bytes = NDArray[np.uint8]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]
Reals = NDArray[np.float64]
Words = NDArray[np.uint64]
Halves = NDArray[np.uint16]
Adc = NDArray[np.int16]
Counts = NDArray[np.int32]
Word = np.uint64

LANES = 0x0F0F0F0F0F0F0F0F
COLUMNS = 256
"""Columns of a block of the OPA of one example: its tables stay in the second-level cache."""
BATCH_COLUMNS = 128
"""Columns of a block of the OPA of many examples: its cells stay there as well."""
READ_COLUMNS = 128
"""Columns of a block of the converter kernel."""
READS = 2047
"""Readings whose lost conversions, at most 16 each, a 16-bit counter holds."""

_U8 = np.uint8
_U16 = np.uint16
_I16 = np.int16
_U64 = np.uint64
_EVEN_HALVES = np.uint64(0x0000FFFF0000FFFF)
_EVEN_BYTES = np.uint64(0x00FF00FF00FF00FF)
_NIBBLES = np.uint64(LANES)
_LOW_HALF = np.uint64(0xFFFFFFFF)
_ONE = np.uint64(1)
_S4, _S8, _S16, _S32, _S56 = (np.uint64(n) for n in (4, 8, 16, 32, 56))


@njit(cache=True, inline="always")
def _spread(value: Word) -> Word:
    """The eight nibbles of a 32-bit number as the bytes of a word."""
    word = (value | (value << _S16)) & _EVEN_HALVES
    word = (word | (word << _S8)) & _EVEN_BYTES
    return (word | (word << _S4)) & _NIBBLES


@njit(cache=True, inline="always")
def _fold(word: Word) -> np.int64:
    """``sum(byte[k] << 4 * k)``."""
    pairs = (word & _EVEN_BYTES) + (((word >> _S8) & _EVEN_BYTES) << _S4)
    fours = (pairs & _EVEN_HALVES) + (((pairs >> _S16) & _EVEN_HALVES) << _S8)
    return np.int64((fours & _LOW_HALF) + ((fours >> _S32) << _S16))


@njit(cache=True)
def _decode_row(words: Words, offset: int, weights: Reals) -> None:
    for c in range(words.size):
        weights[c] = np.float64(_fold(words[c]) - offset)


@njit(cache=True)
def refresh(words: Words, offset: int, stale: Flags, weights: Reals) -> None:
    """Decode the rows marked in ``stale``, of shape (rows,), and clear the marks.

    A weight is ``_fold(word) - offset``; words and weights have the shape (rows, columns).
    """
    for r in range(words.shape[0]):
        if stale[r]:
            _decode_row(words[r], offset, weights[r])
            stale[r] = False


@njit(cache=True)
def product(
    words: Words, x: Ints, offset: int, tile: int, shift: int, bits: int, y: Ints, counts: Ints
) -> None:
    """:func:`golden.kernels.product.mvm_one` on words, decoded on the way."""
    columns = words.shape[1]
    zero = np.float64(offset)
    total = np.empty(columns)
    rows = np.empty(tile, np.int64)
    for start in range(0, x.size, tile):
        used = 0
        for r in range(start, min(start + tile, x.size)):
            if x[r] != 0:
                rows[used] = r
                used += 1
        total[:] = 0.0
        i = 0
        while i + 2 <= used:
            w0, w1 = words[rows[i]], words[rows[i + 1]]
            x0, x1 = np.float64(x[rows[i]]), np.float64(x[rows[i + 1]])
            for c in range(columns):
                v0, v1 = np.float64(_fold(w0[c])), np.float64(_fold(w1[c]))
                total[c] += x0 * (v0 - zero) + x1 * (v1 - zero)
            i += 2
        if i < used:
            w0, x0 = words[rows[i]], np.float64(x[rows[i]])
            for c in range(columns):
                total[c] += x0 * (np.float64(_fold(w0[c])) - zero)
        add_words(total, shift, bits, y, counts)


@njit(cache=True)
def _copy(words: Words, into: Words) -> None:
    for c in range(words.size):
        into[c] = words[c]


@njit(cache=True)
def _fill(e: Ints, limit: Word, greatest: int, table: Words, mask: Words) -> None:
    """Tables of one example and some columns, for inputs of at most ``greatest``.

    ``table[16 * n + v]`` holds what a row adds whose ``abs(x)`` has the value ``v`` in nibble
    ``n``: the digits of ``abs(e) << 4 * n`` are those of ``abs(e)``, ``n`` slices further up.
    ``mask[0]`` goes with a positive input, ``mask[1]`` with a negative one.
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
    for n in range(1, 4):
        for v in range(min(15, greatest >> (4 * n)) + 1):
            _shift_row(table[v], _U64(8 * n), table[16 * n + v])


@njit(cache=True)
def _add_row(left: Words, right: Words, into: Words) -> None:
    for c in range(into.size):
        into[c] = left[c] + right[c]


@njit(cache=True)
def _shift_row(words: Words, up: Word, into: Words) -> None:
    for c in range(into.size):
        into[c] = words[c] << up


@njit(cache=True)
def _flush(lost: Bytes, saturated: Ints) -> None:
    for i in range(lost.size):
        saturated[i & 7] += np.int64(lost[i])
        lost[i] = 0


@njit(cache=True)
def opa(
    words: Words, x: Ints, e: Ints, limit: Word, offset: int, decode: bool, stale: Flags,
    weights: Reals, saturated: Ints,
) -> None:  # fmt: skip
    """Outer products of a batch, one example after another.

    Parameters
    ----------
    words : ndarray of uint64, shape (rows, columns)
    x : ndarray of int64, shape (examples, rows)
    e : ndarray of int64, shape (examples, columns)
    limit : uint64
        The greatest byte of every slice.
    offset : int
        See :func:`refresh`.
    decode : bool
        Whether to bring the weights up to date while their words are at hand.
    stale : ndarray of bool, shape (rows,)
        Otherwise the rows that change are marked.
    weights : ndarray of float64, shape (rows, columns)
    saturated : ndarray of int64, shape (8,)
        Grows by the cells of each slice that saturate.
    """
    rows, columns = words.shape
    alone = x.shape[0] == 1
    width = min(columns, COLUMNS if alone else BATCH_COLUMNS)
    scratch = np.empty(0 if alone else rows * width, np.uint64)
    lost = np.zeros(LOST, np.uint8)
    greatest = 0
    for b in range(x.shape[0]):
        for r in range(rows):
            greatest = max(greatest, abs(x[b, r]))
    for start in range(0, columns, width):
        size = min(columns - start, width)
        stop = start + size
        block, base = words, start
        if not alone:
            block, base = scratch[: rows * size].reshape(rows, size), 0
            for r in range(rows):
                _copy(words[r, start:stop], block[r])
        table = np.empty((64, size), np.uint64)
        mask = np.empty((2, size), np.uint64)
        tables, masks, cells = table.ctypes.data, mask.ctypes.data, block.ctypes.data + 8 * base
        counters, row_bytes, used = lost.ctypes.data, 8 * block.shape[1], 8 * size
        rows_of_counters = 255 // (size // 8 + 7)
        pulses = 0
        for b in range(x.shape[0]):
            _fill(e[b, start:stop], limit, greatest, table, mask)
            for r in range(rows):
                if x[b, r] == 0:
                    continue
                row = cells + r * row_bytes
                signed = masks + (used if x[b, r] < 0 else 0)
                v = abs(x[b, r])
                t0 = tables + (v & 15) * used
                t1 = tables + (16 + ((v >> 4) & 15)) * used
                t2 = tables + (32 + ((v >> 8) & 15)) * used
                if v < 4096:
                    pulse3(row, signed, counters, t0, t1, t2, used)
                else:
                    t3 = tables + (48 + (v >> 12)) * used
                    pulse4(row, signed, counters, t0, t1, t2, t3, used)
                if not decode:
                    stale[r] = True
                elif alone:
                    _decode_row(words[r, start:stop], offset, weights[r, start:stop])
                pulses += 1
                if pulses == rows_of_counters:
                    _flush(lost, saturated)
                    pulses = 0
        _flush(lost, saturated)
        if not alone:
            for r in range(rows):
                _copy(block[r], words[r, start:stop])
                if decode:
                    _decode_row(block[r], offset, weights[r, start:stop])


@njit(cache=True)
def _resolve_row(words: Words, offset: int, base: Word, low: int, high: int) -> int:
    """Canonical words of a row; the number of weights whose top slice saturated."""
    saturated = 0
    for c in range(words.size):
        rest = _fold(words[c]) - offset + 0x08888888
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


@njit(cache=True)
def _convert(
    sums: Halves, driven: int, adc: Adc, stepless: bool, run: int, is_sign: bool, total: Counts,
    lost: Adc,
) -> None:  # fmt: skip
    """Digitise the sums of ``driven`` rows and add the codes of ``run`` bit steps to ``total``.

    A sum without the offsets of its bytes fits 16 bits, so wrapping arithmetic gives it. ``lost``
    grows by the conversions whose sum was out of range.
    """
    half, step, low, high = adc[0], adc[1], adc[2], adc[3]
    count, times = _I16(driven), _I16(run)
    up, keep = np.int32(run), np.int32(0 if is_sign else -1)
    if stepless:
        for i in range(total.size):
            exact = _I16(_I16(sums[i]) - _I16(count * half[i]))
            code = exact if exact < high[i] else high[i]
            code = code if code > low[i] else low[i]
            lost[i] = _I16(lost[i] + (times if code != exact else _I16(0)))
            kept = np.int32(total[i] + (np.int32(code) & keep))
            total[i] = np.int32(np.int32(kept << up) - np.int32(code))
    else:
        for i in range(total.size):
            exact = _I16(_I16(sums[i]) - _I16(count * half[i]))
            if step[i] > 0:
                exact = _I16((exact >> step[i]) + ((exact >> (step[i] - 1)) & 1))
            code = exact if exact < high[i] else high[i]
            code = code if code > low[i] else low[i]
            lost[i] = _I16(lost[i] + (times if code != exact else _I16(0)))
            kept = np.int32(total[i] + (np.int32(code) & keep))
            total[i] = np.int32(np.int32(kept << up) - np.int32(code))


@njit(cache=True)
def _read(block: Words, lines: int, x: Ints, bits: int, adc: Adc, group: int, lost: Adc) -> Ints:
    """Sums over slices and steps of one tile, one example and some columns.

    Bit steps go from the sign down. A run of ``n`` steps that drive the same rows has the same
    codes ``c`` in all of them; a slice's sum ``h`` becomes ``2**n * (h + c) - c``, or ``-c`` if the
    run begins with the sign step. ``adc`` has a row for each of: offset of a cell's
    byte, binary logarithm of the step, least and greatest code. ``block`` has a row of zeros
    after its ``lines`` rows.
    """
    size = 8 * block.shape[1]
    stepless = not adc[1, :8].any()
    sums = np.empty(size, np.uint16)
    total = np.zeros(size, np.int32)
    rows = np.empty(lines + 4, np.int64)
    changes = np.int64(0)
    for r in range(lines):
        changes |= x[r] ^ (x[r] >> 1)
    step = bits
    while step > 0:
        run = 1
        while run < step and not (changes >> (step - run - 1)) & 1:
            run += 1
        is_sign = step == bits
        step -= run
        used = 0
        for r in range(lines):
            rows[used] = r * size
            used += (x[r] >> step) & 1
        rows[used : used + 3] = lines * size
        listed = (used + 3) & -4
        if group == 4:
            sum_four(block.ctypes.data, rows.ctypes.data, listed, sums.ctypes.data, size)
        else:
            sum_one(block.ctypes.data, rows.ctypes.data, listed, sums.ctypes.data, size)
        _convert(sums, used, adc, stepless, run, is_sign, total, lost)
    pairs = np.empty(size // 2, np.int64)
    for i in range(pairs.size):
        low = np.int64(total[2 * i]) << np.int64(adc[1, 2 * i])
        pairs[i] = low + (np.int64(total[2 * i + 1]) << (np.int64(adc[1, 2 * i + 1]) + 4))
    y = np.empty(size // 8, np.int64)
    for c in range(y.size):
        low = pairs[4 * c] + (pairs[4 * c + 1] << 8)
        y[c] = low + (pairs[4 * c + 2] << 16) + (pairs[4 * c + 3] << 24)
    return y


@njit(cache=True)
def _add(total: Ints, shift: int, bits: int, y: Ints, counts: Ints) -> None:
    """Requantise and add to ``y`` with saturation."""
    high = (1 << (bits - 1)) - 1
    low = -high - 1
    for i in range(total.size):
        exact = total[i]
        if shift > 0:
            exact = (exact >> shift) + ((exact >> (shift - 1)) & 1)
        word = min(max(exact, low), high)
        counts[0] += word != exact
        exact = word + y[i]
        word = min(max(exact, low), high)
        counts[1] += word != exact
        y[i] = word


@njit(cache=True)
def _transpose(words: Words, driven: Flags, turned: Words) -> None:
    """Transpose the driven columns, eight rows at a time: what is written fills a cache line."""
    for start in range(0, words.shape[0], 8):
        for c in range(words.shape[1]):
            if driven[c]:
                for r in range(start, min(start + 8, words.shape[0])):
                    turned[c, r] = words[r, c]


@njit(cache=True)
def _driven(x: Ints) -> Flags:
    """Which lines any example drives; ``x`` has the shape (examples, lines)."""
    driven = np.zeros(x.shape[1], np.bool_)
    for b in range(x.shape[0]):
        for i in range(x.shape[1]):
            driven[i] |= x[b, i] != 0
    return driven


@njit(cache=True)
def _empty(lost: Adc, clipped: Ints) -> None:
    for i in range(lost.size):
        clipped[i & 7] += lost[i]
        lost[i] = 0


@njit(cache=True)
def mvm(
    words: Words, x: Ints, tile: int, adc: Adc, group: int, bits: int, shift: int, y: Ints,
    clipped: Ints, counts: Ints,
) -> None:  # fmt: skip
    """MVM through the converters; ``x`` has the shape (examples, rows), ``y`` (examples, columns).

    The driven rows of every block of a tile are copied once, for all examples, to lie side by side.
    ``adc`` is as in :func:`_read`, for ``READ_COLUMNS`` columns.
    """
    rows, columns = words.shape
    lost = np.zeros(8 * READ_COLUMNS, np.int16)
    reads = 0
    driven = _driven(x)
    scratch = np.empty((tile + 1) * READ_COLUMNS, np.uint64)
    for first in range(0, rows, tile):
        last = min(rows, first + tile)
        for start in range(0, columns, READ_COLUMNS):
            stop = min(columns, start + READ_COLUMNS)
            lines, width = last - first, stop - start
            block = scratch[: (lines + 1) * width].reshape(lines + 1, width)
            block[lines] = _U64(0)
            for r in range(lines):
                if driven[first + r]:
                    _copy(words[first + r, start:stop], block[r])
            for b in range(x.shape[0]):
                total = _read(block, lines, x[b, first:last], bits, adc, group, lost)
                _add(total, shift, bits, y[b, start:stop], counts)
                reads += 1
                if reads % READS == 0:
                    _empty(lost, clipped)
    _empty(lost, clipped)


@njit(cache=True)
def mtvm(
    words: Words, e: Ints, tile: int, adc: Adc, group: int, bits: int, shift: int, y: Ints,
    clipped: Ints, counts: Ints,
) -> None:  # fmt: skip
    """MTVM through the converters; ``e`` has the shape (examples, columns), ``y`` (examples, rows).

    Every block of a tile is transposed once, for all examples.
    """
    rows, columns = words.shape
    lost = np.zeros(8 * READ_COLUMNS, np.int16)
    reads = 0
    driven = _driven(e)
    scratch = np.empty((tile + 1) * READ_COLUMNS, np.uint64)
    for start in range(0, rows, READ_COLUMNS):
        stop = min(rows, start + READ_COLUMNS)
        for first in range(0, columns, tile):
            last = min(columns, first + tile)
            lines, width = last - first, stop - start
            block = scratch[: (lines + 1) * width].reshape(lines + 1, width)
            block[lines] = _U64(0)
            _transpose(words[start:stop, first:last], driven[first:last], block)
            for b in range(e.shape[0]):
                total = _read(block, lines, e[b, first:last], bits, adc, group, lost)
                _add(total, shift, bits, y[b, start:stop], counts)
                reads += 1
                if reads % READS == 0:
                    _empty(lost, clipped)
    _empty(lost, clipped)
