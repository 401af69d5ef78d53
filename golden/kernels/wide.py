"""Any slicing: cells as 16-bit integers, indexed [slice, row, column]."""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from golden.kernels.product import tile_norm

Cells = NDArray[np.int16]
Ints = NDArray[np.int64]
Reals = NDArray[np.float64]


@njit(cache=True)
def decode(cells: Cells, value_bits: int, weights: Reals) -> None:
    """Weights of cells as float64, shape (rows, columns)."""
    slices, rows, columns = cells.shape
    for r in range(rows):
        for c in range(columns):
            total = np.int64(0)
            for k in range(slices):
                total += np.int64(cells[k, r, c]) << (k * value_bits)
            weights[r, c] = np.float64(total)


@njit(cache=True)
def opa(
    cells: Cells, x: Ints, e: Ints, word: int, value_bits: int, low: Ints, high: Ints,
    saturated: Ints,
) -> bool:  # fmt: skip
    """Outer products of a batch, one example after another.

    All pulses of one example push a cell one way, so it is clipped once. ``x`` has the shape
    (examples, rows), ``e`` (examples, columns), ``low``, ``high`` and ``saturated`` one entry a
    slice. Does nothing, and says so, if either exceeds the greatest ``word``.
    """
    if (
        tile_norm(x, x.shape[1], -word - 1, word) < 0
        or tile_norm(e, e.shape[1], -word - 1, word) < 0
    ):
        return False
    slices, rows, columns = cells.shape
    table = np.zeros((64, columns), np.int32)
    for k in range(slices):
        least, greatest = np.int32(low[k]), np.int32(high[k])
        mask = (1 << value_bits) - 1 if k < slices - 1 else (1 << 62) - 1
        for b in range(x.shape[0]):
            for n in range(4):
                for v in range(1, 16):
                    bit = v & -v
                    if bit == v:
                        step = 4 * n + (v > 1) + (v > 2) + (v > 4)
                        for c in range(columns):
                            value = ((abs(e[b, c]) << step) >> (k * value_bits)) & mask
                            table[16 * n + v, c] = value if e[b, c] > 0 else -value
                    else:
                        for c in range(columns):
                            table[16 * n + v, c] = (
                                table[16 * n + v - bit, c] + table[16 * n + bit, c]
                            )
            for r in range(rows):
                if x[b, r] == 0:
                    continue
                size, sign = abs(x[b, r]), np.int32(1 if x[b, r] > 0 else -1)
                t0, t1 = table[size & 15], table[16 + ((size >> 4) & 15)]
                t2, t3 = table[32 + ((size >> 8) & 15)], table[48 + (size >> 12)]
                lost = np.int32(0)
                for c in range(columns):
                    exact = np.int32(cells[k, r, c]) + sign * (t0[c] + t1[c] + t2[c] + t3[c])
                    cell = min(max(exact, least), greatest)
                    lost += np.int32(cell != exact)
                    cells[k, r, c] = np.int16(cell)
                saturated[k] += lost
    return True


@njit(cache=True)
def crs(cells: Cells, value_bits: int, low: Ints, high: Ints, at_limit: Ints) -> int:
    """Resolve the carries; returns the number of weights whose top slice saturated."""
    slices, rows, columns = cells.shape
    half = 1 << (value_bits - 1)
    carry = np.empty(columns, np.int64)
    saturated = 0
    for r in range(rows):
        carry[:] = 0
        for k in range(slices):
            for c in range(columns):
                cell = np.int64(cells[k, r, c])
                at_limit[k] += (cell == low[k]) | (cell == high[k])
                total = cell + carry[c]
                if k < slices - 1:
                    kept = ((total + half) & (2 * half - 1)) - half
                    carry[c] = (total - kept) >> value_bits
                else:
                    kept = min(max(total, low[k]), high[k])
                    saturated += kept != total
                cells[k, r, c] = np.int16(kept)
    return saturated


@njit(cache=True)
def mvm(
    cells: Cells, x: Ints, tile: int, value_bits: int, adc_bits: Ints, adc_step: Ints, bits: int,
    shift: int, y: Ints, clipped: Ints, counts: Ints,
) -> None:  # fmt: skip
    """MVM through the converters, step by step and slice by slice.

    ``x`` has the shape (examples, rows), ``y`` (examples, columns), ``adc_bits``, ``adc_step``
    and ``clipped`` one entry a slice. Transposed cells make it an MTVM.
    """
    slices, rows, columns = cells.shape
    word_high = (1 << (bits - 1)) - 1
    sums = np.empty(columns, np.int64)
    total = np.empty(columns, np.int64)
    for b in range(x.shape[0]):
        for first in range(0, rows, tile):
            last = min(rows, first + tile)
            total[:] = 0
            for step in range(bits):
                for k in range(slices):
                    sums[:] = 0
                    driven = False
                    for r in range(first, last):
                        if (x[b, r] >> step) & 1:
                            driven = True
                            for c in range(columns):
                                sums[c] += np.int64(cells[k, r, c])
                    if not driven:
                        break
                    code_high = (1 << (adc_bits[k] - 1)) - 1
                    half = (1 << adc_step[k]) >> 1
                    up = adc_step[k] + k * value_bits + step
                    for c in range(columns):
                        exact = (sums[c] + half) >> adc_step[k]
                        code = min(max(exact, -code_high - 1), code_high)
                        clipped[k] += code != exact
                        total[c] += (-code if step == bits - 1 else code) << up
            for c in range(columns):
                exact = total[c]
                if shift > 0:
                    exact = (exact >> shift) + ((exact >> (shift - 1)) & 1)
                word = min(max(exact, -word_high - 1), word_high)
                counts[0] += word != exact
                exact = word + y[b, c]
                word = min(max(exact, -word_high - 1), word_high)
                counts[1] += word != exact
                y[b, c] = word
