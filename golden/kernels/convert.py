"""Packed cells read through converters that clip or round: MVM and MTVM step by step.

The layout of the cells is that of :mod:`golden.kernels.packed`.
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from golden.kernels.vector import sum_four, sum_one

Adc = NDArray[np.int16]
Counts = NDArray[np.int32]
Flags = NDArray[np.bool_]
Halves = NDArray[np.uint16]
Ints = NDArray[np.int64]
Words = NDArray[np.uint64]

COLUMNS = 128
"""Columns of a block of the converter kernel."""
READS = 2047
"""Readings whose lost conversions, at most 16 each, a 16-bit counter holds."""

_I16 = np.int16
_U64 = np.uint64


@njit(cache=True)
def _copy(words: Words, into: Words) -> None:
    for c in range(words.size):
        into[c] = words[c]


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
    ``adc`` is as in :func:`_read`, for ``COLUMNS`` columns.
    """
    rows, columns = words.shape
    lost = np.zeros(8 * COLUMNS, np.int16)
    reads = 0
    driven = _driven(x)
    scratch = np.empty((tile + 1) * COLUMNS, np.uint64)
    for first in range(0, rows, tile):
        last = min(rows, first + tile)
        for start in range(0, columns, COLUMNS):
            stop = min(columns, start + COLUMNS)
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
    lost = np.zeros(8 * COLUMNS, np.int16)
    reads = 0
    driven = _driven(e)
    scratch = np.empty((tile + 1) * COLUMNS, np.uint64)
    for start in range(0, rows, COLUMNS):
        stop = min(rows, start + COLUMNS)
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
