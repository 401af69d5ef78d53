"""Packed cells read through converters that clip or round.

The layout of the cells is that of :mod:`golden.kernels.packed`.
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from golden.kernels.packed import aligned, list_driven, sum_rows
from golden.kernels.vector import reaches, sum_four, sum_one

Adc = NDArray[np.int16]
Bytes = NDArray[np.uint8]
Counts = NDArray[np.int32]
Flags = NDArray[np.bool_]
Halves = NDArray[np.uint16]
Ints = NDArray[np.int64]
Reals = NDArray[np.float64]
Words = NDArray[np.uint64]

COLUMNS = 128
"""Columns of a block that goes through the steps: 64 driven rows fit the first-level cache."""
GROUP = 8
"""Columns that go through the steps together, those of one vector."""
READS = 2047
"""Readings whose lost conversions, at most 16 each, a 16-bit counter holds."""

_I16 = np.int16
_U64 = np.uint64


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
def _list_steps(x: Ints, rows: Ints, used: int, bits: int, steps: Ints, driven: Ints) -> int:
    """The bit steps of one tile, from the sign down; returns the number of runs.

    A run is consecutive steps that drive the same rows: ``steps[i]`` holds their number and that
    of the rows, which ``driven[i]`` lists by their place in ``rows``, filled up to a multiple of
    four with ``used``, the place of a row of zeros.
    """
    changes = np.int64(0)
    for n in range(used):
        changes |= x[rows[n]] ^ (x[rows[n]] >> 1)
    runs, step = 0, bits
    while step > 0:
        run = 1
        while run < step and not (changes >> (step - run - 1)) & 1:
            run += 1
        step -= run
        count = 0
        for n in range(used):
            driven[runs, count] = n
            count += (x[rows[n]] >> step) & 1
        driven[runs, count : count + 3] = used
        steps[runs, 0], steps[runs, 1] = run, count
        runs += 1
    return runs


@njit(cache=True)
def _read(
    block: Words, runs: int, steps: Ints, driven: Ints, adc: Adc, group: int, lost: Adc, y: Ints
) -> None:
    """Sums over slices and steps of one tile, one example and some columns.

    The steps of a run have the same codes ``c``; a slice's sum ``h`` becomes ``2**n * (h + c) -
    c`` for a run of ``n`` steps, or ``-c`` if it begins with the sign step. ``adc`` has a row for
    each of: offset of a cell's byte, binary logarithm of the step, least and greatest code.
    ``block`` has a row of zeros at its end.
    """
    size = 8 * block.shape[1]
    stepless = not adc[1, :8].any()
    sums = np.empty(size, np.uint16)
    total = np.zeros(size, np.int32)
    for i in range(runs):
        run, count = steps[i]
        rows, listed = driven[i].ctypes.data, (count + 3) & -4
        if group == 4:
            sum_four(block.ctypes.data, rows, listed, sums.ctypes.data, size)
        else:
            sum_one(block.ctypes.data, rows, listed, sums.ctypes.data, size)
        _convert(sums, count, adc, stepless, run, i == 0, total, lost)
    pairs = np.empty(size // 2, np.int64)
    for i in range(pairs.size):
        low = np.int64(total[2 * i]) << np.int64(adc[1, 2 * i])
        pairs[i] = low + (np.int64(total[2 * i + 1]) << (np.int64(adc[1, 2 * i + 1]) + 4))
    for c in range(y.size):
        low = pairs[4 * c] + (pairs[4 * c + 1] << 8)
        y[c] = low + (pairs[4 * c + 2] << 16) + (pairs[4 * c + 3] << 24)


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
    columns = np.empty(driven.size, np.uint64)
    used = 0
    for c in range(driven.size):
        columns[used] = c
        used += driven[c]
    rows = words.shape[0]
    whole = rows & -8
    for start in range(0, whole, 8):
        for column in columns[:used]:
            for r in range(8):
                turned[column, start + r] = words[start + r, column]
    for column in columns[:used]:
        for r in range(whole, rows):
            turned[column, r] = words[r, column]


@njit(cache=True)
def _driven(x: Ints) -> Flags:
    """Which lines any example drives; ``x`` has the shape (examples, lines)."""
    driven = np.zeros(x.shape[1], np.bool_)
    for b in range(x.shape[0]):
        for i in range(x.shape[1]):
            driven[i] |= x[b, i] != 0
    return driven


@njit(cache=True)
def _choose(beyond: Words, chosen: Ints) -> int:
    """List the groups of columns that have any bit set in ``beyond``; returns their number."""
    suspects = 0
    for start in range(0, beyond.size, GROUP):
        found = _U64(0)
        for word in beyond[start : start + GROUP]:
            found |= word
        chosen[suspects] = start
        suspects += found != 0
    return suspects


@njit(cache=True)
def _whole(product: Reals, total: Ints) -> None:
    for c in range(total.size):
        total[c] = np.int64(product[c])


@njit(cache=True)
def _empty(lost: Adc, clipped: Ints) -> None:
    for i in range(lost.size):
        clipped[i & 7] += lost[i]
        lost[i] = 0


@njit(cache=True)
def _copy(words: Words, into: Words) -> None:
    for c in range(words.size):
        into[c] = words[c]


@njit(cache=True)
def _gather(words: Words, chosen: Ints, rows: Ints, used: int, block: Words) -> None:
    """The chosen groups of columns of some rows, side by side, and a row of zeros."""
    i = 0
    while i < chosen.size:
        j = i + 1
        while j < chosen.size and chosen[j] == chosen[j - 1] + GROUP:
            j += 1
        first, width = chosen[i], min(j * GROUP, block.shape[1]) - i * GROUP
        for n in range(used):
            _copy(words[rows[n], first : first + width], block[n, i * GROUP : i * GROUP + width])
        i = j
    block[used] = _U64(0)


@njit(cache=True)
def convert(
    words: Words, x: Ints, products: Reals, exact: bool, turn: bool, tile: int, adc: Adc,
    reach: Bytes, offset: int, group: int, bits: int, shift: int, y: Ints, clipped: Ints,
    counts: Ints,
) -> None:  # fmt: skip
    """MVM, or with ``turn`` MTVM, through the converters.

    Where no sum of any driven rows is out of a converter's range, none of its steps can clip, and
    all of them together are the exact product. Only the other columns go through the steps.

    Parameters
    ----------
    words : ndarray of uint64, shape (rows, columns)
    x : ndarray of int64, shape (examples, driven)
        ``driven`` and ``read`` are the rows and columns, with ``turn`` the columns and rows.
    products : ndarray of float64, shape (tiles, examples, read)
        The exact products of every tile; no tiles if they are still to be computed.
    exact : bool
        Whether converters do not round and products are exact in float64. If not, all columns go
        through the steps.
    turn : bool
    tile : int
        Lines of a tile.
    adc : ndarray of int16, shape (4, 8 * COLUMNS)
        See :func:`_read`.
    reach : ndarray of uint8, shape (3, 256)
        See :data:`golden.kernels.vector.reaches`.
    offset : int
        See :func:`golden.kernels.packed.refresh`.
    group : int
        Cells of one slice whose bytes' sum fits a byte, 4 or 1.
    bits, shift : int
        Of the words, and of the requantisation.
    y : ndarray of int64, shape (examples, read)
    clipped : ndarray of int64, shape (8,)
    counts : ndarray of int64, shape (2,)
        See :func:`golden.kernels.product.add_words`.
    """
    read = y.shape[1]
    lost = np.zeros(8 * COLUMNS, np.int16)
    reads = 0
    rows = np.empty(tile, np.int64)
    steps = np.empty((bits, 2), np.int64)
    driven = np.empty((bits, tile + 4), np.int64)
    scratch = aligned(tile + 1, COLUMNS).reshape(-1)
    beyond = np.empty(read, np.uint64)
    chosen = np.empty((read + GROUP - 1) // GROUP, np.int64)
    product = np.empty(read)
    total = np.empty(read, np.int64)
    part = np.empty(COLUMNS, np.int64)
    turned = aligned(tile if turn else 0, -(-read // GROUP) * GROUP)
    any_driven = _driven(x)
    row_bytes = 8 * (turned if turn else words).shape[1]
    for t in range((x.shape[1] + tile - 1) // tile):
        first, last = t * tile, min(x.shape[1], (t + 1) * tile)
        lines = words[first:last]
        if turn:
            lines = turned
            _transpose(words[:, first:last], any_driven[first:last], lines)
        for b in range(x.shape[0]):
            signal = x[b, first:last]
            used = list_driven(signal, rows)
            if used == 0:
                continue
            suspects = chosen.size
            if exact:
                reaches(
                    lines.ctypes.data, rows.ctypes.data, used, row_bytes, reach.ctypes.data,
                    beyond.ctypes.data, 8 * read,
                )  # fmt: skip
                suspects = _choose(beyond, chosen)
            if suspects > chosen.size // 2:
                chosen[:] = np.arange(chosen.size) * GROUP
                suspects = chosen.size
            elif products.shape[0]:
                _whole(products[t, b], total)
            else:
                sum_rows(lines, signal, rows, used, offset, product)
                _whole(product, total)
            if suspects:
                runs = _list_steps(signal, rows, used, bits, steps, driven)
            for start in range(0, suspects, COLUMNS // GROUP):
                places = chosen[start : min(suspects, start + COLUMNS // GROUP)]
                width = min(GROUP * (places.size - 1) + read - places[-1], GROUP * places.size)
                block = scratch[: (used + 1) * width].reshape(used + 1, width)
                _gather(lines, places, rows, used, block)
                _read(block, runs, steps, driven, adc, group, lost, part[:width])
                for i in range(width):
                    total[places[i // GROUP] + i % GROUP] = part[i]
                reads += 1
                if reads % READS == 0:
                    _empty(lost, clipped)
            _add(total, shift, bits, y[b], counts)
    _empty(lost, clipped)
