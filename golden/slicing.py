"""Weights as cells and back: ``w = sum(c[k] << (k * value_bits))``.

Cells are indexed ``[slice, row, column]``, slice 0 the least significant.
"""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from golden.fixed import Ints, as_integers
from panther.arch.params import McuParams, SliceParams

Cells = NDArray[np.int16]


def weight_range(slices: SliceParams) -> tuple[int, int]:
    """Least and greatest weight that canonical cells can hold."""
    digit = 1 << (slices.value_bits - 1)
    low = high = 0
    for k in range(slices.count):
        last = k == slices.count - 1
        least, greatest = slices.cell_range(k) if last else (-digit, digit - 1)
        low += least << (k * slices.value_bits)
        high += greatest << (k * slices.value_bits)
    return low, high


def weight_bound(slices: SliceParams) -> int:
    """Greatest absolute weight that any cells, canonical or not, can stand for."""
    return sum(-slices.cell_range(k)[0] << (k * slices.value_bits) for k in range(slices.count))


def encode(weights: ArrayLike, slices: SliceParams) -> Cells:
    """The canonical cells of integer weights.

    Every slice but the top one holds a digit in ``[-2**(p-1), 2**(p-1) - 1]``; the top slice
    holds what remains.

    Parameters
    ----------
    weights : array_like of int, shape (rows, columns)
    slices : SliceParams

    Returns
    -------
    ndarray of int16, shape (slices, rows, columns)

    Raises
    ------
    ValueError
        If a weight is not an integer or does not fit the slicing.
    """
    rest = as_integers("Weights", weights)
    low, high = weight_range(slices)
    if rest.size and (rest.min() < low or rest.max() > high):
        bad = rest[(rest < low) | (rest > high)].flat[0]
        raise ValueError(
            f"Weights must be in the range [{low}, {high}] of slicing {slices.name}, not {bad}"
        )
    p = slices.value_bits
    half = 1 << (p - 1)
    cells = np.empty((slices.count, *rest.shape), np.int16)
    for k in range(slices.count - 1):
        digit = ((rest + half) & ((1 << p) - 1)) - half
        cells[k] = digit
        rest = (rest - digit) >> p
    cells[-1] = rest
    return cells


def decode(cells: ArrayLike, slices: SliceParams) -> Ints:
    """The integer weights that cells, canonical or not, stand for.

    Returns
    -------
    ndarray of int64, shape (rows, columns)
    """
    array = np.asarray(cells)
    weights = np.zeros(array.shape[1:], np.int64)
    for k in range(slices.count):
        weights += array[k].astype(np.int64) << (k * slices.value_bits)
    return weights


def check_cells(cells: Any, slices: SliceParams) -> Cells:
    """``cells`` as int16 after checking number of slices, dimensions and range.

    Raises
    ------
    ValueError
        If the array is no cell array of the slicing.
    """
    array = as_integers("Cells", cells)
    if array.ndim != 3 or array.shape[0] != slices.count:
        raise ValueError(
            f"Cells must have the shape ({slices.count}, rows, columns), not {array.shape}"
        )
    for k in range(slices.count):
        low, high = slices.cell_range(k)
        if array[k].size and (array[k].min() < low or array[k].max() > high):
            bad = array[k][(array[k] < low) | (array[k] > high)].flat[0]
            raise ValueError(f"Cells of slice {k} must be in the range [{low}, {high}], not {bad}")
    return array.astype(np.int16)


def check_crossbar(cells: Any, params: McuParams) -> Cells:
    """:func:`check_cells`, and no more rows and columns than one crossbar has.

    Raises
    ------
    ValueError
        If the array is no cell array of the slicing or does not fit the crossbar.
    """
    array = check_cells(cells, params.slices)
    if array.shape[1] > params.rows or array.shape[2] > params.columns:
        raise ValueError(
            f"Cells must fit a crossbar of {params.rows} x {params.columns}, "
            f"not {array.shape[1]} x {array.shape[2]}"
        )
    return array
