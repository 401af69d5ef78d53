"""Lossless products: bits, slices and converters collapse into ``y = x W``, tile by tile."""

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Reals = NDArray[np.float64]

EXACT = 1 << 53
"""Integers below are exact in float64."""


@njit(cache=True)
def tile_norm(words: Ints, tile: int, low: int, high: int) -> int:
    """Greatest sum of absolute values over any tile of any example; -1 if a word is out of range.

    ``words`` has the shape (examples, length).
    """
    greatest = 0
    for b in range(words.shape[0]):
        for start in range(0, words.shape[1], tile):
            norm = outside = 0
            for word in words[b, start : start + tile]:
                norm += abs(word)
                outside += (word < low) | (word > high)
            if outside:
                return -1
            greatest = max(greatest, norm)
    return greatest


@njit(cache=True)
def is_exact(words: Ints, tile: int, bound: int, shift: int, bits: int) -> bool:
    """Whether words are in range and their products with weights up to ``bound`` are exact.

    That is, whether sums over a tile, with half an LSB of the result added, are exact in float64.
    """
    high = (1 << (bits - 1)) - 1
    norm = tile_norm(words.reshape(1, -1), tile, -high - 1, high)
    return norm >= 0 and norm * bound + (1 << shift >> 1) < EXACT


@njit(cache=True)
def add_words(total: Reals, shift: int, bits: int, y: Ints, counts: Ints) -> None:
    """Requantise exact sums and add them to ``y`` with saturation.

    ``total`` and ``y`` have the shape (length,); sums plus half an LSB are below 2**53.
    ``counts[0]`` grows by the requantisations that saturate, ``counts[1]`` by the additions.
    """
    high = float((1 << (bits - 1)) - 1)
    low = -high - 1.0
    half = 0.5 * 2.0**shift if shift > 0 else 0.0
    scale = 2.0**-shift
    saturated = added = 0
    for i in range(total.size):
        exact = np.floor((total[i] + half) * scale)
        word = min(max(exact, low), high)
        saturated += word != exact
        exact = word + float(y[i])
        word = min(max(exact, low), high)
        added += word != exact
        y[i] = int(word)
    counts[0] += saturated
    counts[1] += added


@njit(cache=True)
def add_words_batch(total: Reals, shift: int, bits: int, y: Ints, counts: Ints) -> None:
    """:func:`add_words` for every row of ``total`` and ``y``."""
    for b in range(total.shape[0]):
        add_words(total[b], shift, bits, y[b], counts)


@njit(cache=True)
def mvm_one(
    weights: Reals, x: Ints, tile: int, bound: int, shift: int, bits: int, y: Ints, counts: Ints
) -> bool:
    """MVM of one example; rows whose input is zero are skipped, four of the rest go at a time.

    Does nothing, and says so, unless :func:`is_exact`.
    """
    if not is_exact(x, tile, bound, shift, bits):
        return False
    columns = weights.shape[1]
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
        while i + 4 <= used:
            r0, r1, r2, r3 = rows[i], rows[i + 1], rows[i + 2], rows[i + 3]
            w0, w1, w2, w3 = weights[r0], weights[r1], weights[r2], weights[r3]
            x0, x1, x2, x3 = float(x[r0]), float(x[r1]), float(x[r2]), float(x[r3])
            for c in range(columns):
                total[c] += x0 * w0[c] + x1 * w1[c] + x2 * w2[c] + x3 * w3[c]
            i += 4
        while i < used:
            w0, x0 = weights[rows[i]], float(x[rows[i]])
            for c in range(columns):
                total[c] += x0 * w0[c]
            i += 1
        add_words(total, shift, bits, y, counts)
    return True


@njit(cache=True)
def integer_product(
    weights: Any, words: Ints, tile: int, shift: int, bits: int, y: Ints, counts: Ints
) -> None:
    """The product in 64-bit integers, for operands too large for float64.

    ``weights`` has the shape (driven, read) and holds integers in float64, ``words`` the shape
    (examples, driven), ``y`` (examples, read).
    """
    high = (1 << (bits - 1)) - 1
    low = -high - 1
    total = np.empty(weights.shape[1], np.int64)
    for b in range(words.shape[0]):
        for start in range(0, words.shape[1], tile):
            total[:] = 0
            for i in range(start, min(start + tile, words.shape[1])):
                for c in range(total.size):
                    total[c] += words[b, i] * np.int64(weights[i, c])
            for c in range(total.size):
                exact = total[c]
                if shift > 0:
                    exact = (exact >> shift) + ((exact >> (shift - 1)) & 1)
                word = min(max(exact, low), high)
                counts[0] += word != exact
                exact = word + y[b, c]
                word = min(max(exact, low), high)
                counts[1] += word != exact
                y[b, c] = word
