"""OPA, literally: bit step by bit step, polarity phase by polarity phase, digit by digit.

PANTHER, section 3 (outer product accumulate): rows carry the bits of ``abs(x)``, columns the
radix-``2**p`` digits of ``abs(e) << step``, and every pulse moves the cells where both are driven.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from golden.fixed import Ints, as_words
from golden.slicing import Cells, check_crossbar
from panther.arch.params import McuParams

PHASES = ((1, 1), (-1, -1), (1, -1), (-1, 1))
"""The polarity phases: sign of the rows and of the columns that are driven."""


@dataclass(frozen=True)
class Updated:
    """What one OPA yields."""

    cells: Cells
    """The new cells, shape (slices, rows, columns)."""
    saturated: Ints
    """Cells of each slice whose unsaturated result was out of range; shape (slices,)."""


def digit(params: McuParams, value: Ints, k: int) -> Ints:
    """The ``k``-th digit of non-negative ``value``; the top digit keeps everything above it."""
    p = params.slices.value_bits
    rest = value >> (k * p)
    return rest if k == params.slices.count - 1 else rest & ((1 << p) - 1)


def opa(params: McuParams, cells: Any, x: Any, e: Any) -> Updated:
    """``w[r, c] += x[r] * e[c]`` without carries between slices, cells saturating.

    Parameters
    ----------
    params : McuParams
    cells : array_like of int, shape (slices, rows, columns)
        The used part of one crossbar; left as it is.
    x : array_like of int, shape (rows,)
        Words of ``operand_bits`` bits; the absolute value of the most negative word is
        ``2**(operand_bits - 1)``.
    e : array_like of int, shape (columns,)
        Words of ``operand_bits`` bits: errors times minus the learning rate.

    Returns
    -------
    Updated

    Raises
    ------
    ValueError
        If cells or operands have the wrong shape or range.
    """
    before = check_crossbar(cells, params)
    slices, rows, columns = before.shape
    x_word = as_words("Input", x, bits=params.operand_bits, shape=(rows,))
    e_word = as_words("Error", e, bits=params.operand_bits, shape=(columns,))
    after = before.astype(np.int64)
    hit = np.zeros(after.shape, np.bool_)
    for step in range(params.operand_bits):
        bits = (np.abs(x_word) >> step) & 1
        shifted = np.abs(e_word) << step
        for row_sign, column_sign in PHASES:
            driven = bits * (np.sign(x_word) == row_sign)
            for k in range(slices):
                digits = digit(params, shifted, k) * (np.sign(e_word) == column_sign)
                low, high = params.slices.cell_range(k)
                pulsed = after[k] + row_sign * column_sign * np.outer(driven, digits)
                hit[k] |= (pulsed < low) | (pulsed > high)
                after[k] = np.clip(pulsed, low, high)
    return Updated(after.astype(np.int16), np.count_nonzero(hit, axis=(1, 2)).astype(np.int64))
