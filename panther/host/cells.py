"""Cells as the words of 64 bits in which a host reads and writes them."""

import numpy as np
from numpy.typing import NDArray

from panther.arch.params import McuParams


def pack_cells(params: McuParams, cells: NDArray[np.integer]) -> NDArray[np.uint64]:
    """A word for every weight: the cell of slice 0 in the lowest bits, each as wide as it is.

    Parameters
    ----------
    params
        The matrix unit.
    cells
        Shape (slices, ...).

    Returns
    -------
    array
        Of the shape behind the slices.
    """
    words = np.zeros(cells.shape[1:], np.uint64)
    offset = 0
    for cell, bits in zip(cells, params.slices.cell_bits, strict=True):
        field = cell.astype(np.int64) & (1 << bits) - 1
        words |= field.astype(np.uint64) << np.uint64(offset)
        offset += bits
    return words


def unpack_cells(params: McuParams, words: NDArray[np.uint64]) -> NDArray[np.int16]:
    """Cells, shape (slices, ...), of the words :func:`pack_cells` makes."""
    cells = np.empty((params.slices.count, *words.shape), np.int16)
    offset = 0
    for k, bits in enumerate(params.slices.cell_bits):
        field = (words >> np.uint64(offset)).astype(np.int64) & (1 << bits) - 1
        cells[k] = field - (field >> (bits - 1) << bits)
        offset += bits
    return cells
