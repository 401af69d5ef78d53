"""Crossbars of all slices of one weight matrix: signed integer cells that add up and saturate."""

import numba
import numpy as np
from numpy.typing import NDArray

from panther.arch.params import McuParams


@numba.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _sum_rows(cells, levels, sums):  # type: ignore[no-untyped-def]
    sums[:] = 0
    for row in range(cells.shape[0]):
        level = levels[row]
        if level == 1:
            for i in range(sums.size):
                sums[i] += cells[row, i]
        elif level != 0:
            for i in range(sums.size):
                sums[i] += level * cells[row, i]


@numba.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _sum_columns(cells, levels, sums):  # type: ignore[no-untyped-def]
    slices = sums.shape[1]
    for row in range(cells.shape[0]):
        for k in range(slices):
            sums[row, k] = 0
        for column in range(levels.size):
            level = levels[column]
            if level != 0:
                for k in range(slices):
                    sums[row, k] += level * cells[row, column * slices + k]


@numba.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _add_pulses(cells, rows, increments, low, high):  # type: ignore[no-untyped-def]
    width = cells.shape[1]
    row_cells = np.empty(width, dtype=np.int32)
    for row in range(cells.shape[0]):
        touched = False
        for pulse in range(rows.shape[0]):
            if rows[pulse, row]:
                if not touched:
                    touched = True
                    for i in range(width):
                        row_cells[i] = cells[row, i]
                for i in range(width):
                    row_cells[i] = min(max(row_cells[i] + increments[pulse, i], low[i]), high[i])
        if touched:
            for i in range(width):
                cells[row, i] = row_cells[i]


class Crossbar:
    """Ideal crossbars: exact sums, exact increments, cells that saturate at their range.

    Parameters
    ----------
    params
        Rows, columns and slicing.
    """

    def __init__(self, params: McuParams) -> None:
        slices = params.slices
        self.shape = (params.rows, params.columns, slices.count)
        # the slices of one weight lie side by side, so one row is one run of memory
        self._cells = np.zeros((params.rows, params.columns * slices.count), dtype=np.int16)
        ranges = [slices.cell_range(k) for k in range(slices.count)]
        self._low = np.tile(np.array([r[0] for r in ranges], dtype=np.int32), params.columns)
        self._high = np.tile(np.array([r[1] for r in ranges], dtype=np.int32), params.columns)

    @property
    def cells(self) -> NDArray[np.int16]:
        """Copy of the cells, shape (slices, rows, columns)."""
        return self._cells.reshape(self.shape).transpose(2, 0, 1).copy()

    @cells.setter
    def cells(self, cells: NDArray[np.int16]) -> None:
        rows, columns, slices = self.shape
        if cells.shape != (slices, rows, columns):
            raise ValueError(f"Cells must have shape {(slices, rows, columns)}, not {cells.shape}")
        self._cells[:] = cells.transpose(1, 2, 0).reshape(rows, -1)

    def column_sums(self, levels: NDArray[np.int64]) -> NDArray[np.int64]:
        """Rows driven at ``levels`` (rows,): sum on every bit line, shape (columns, slices)."""
        sums = np.empty(self._cells.shape[1], dtype=np.int64)
        _sum_rows(self._cells, levels, sums)
        return sums.reshape(self.shape[1:])

    def row_sums(self, levels: NDArray[np.int64]) -> NDArray[np.int64]:
        """Columns driven at ``levels`` (columns,): sum on every word line, shape (rows, slices)."""
        sums = np.empty((self.shape[0], self.shape[2]), dtype=np.int64)
        _sum_columns(self._cells, levels, sums)
        return sums

    def add_pulses(self, rows: NDArray[np.uint8], increments: NDArray[np.int32]) -> None:
        """Apply a pulse train in order; a cell saturates at every pulse.

        Parameters
        ----------
        rows
            Rows each pulse selects, shape (pulses, rows), 0 or 1.
        increments
            Signed increment each pulse gives, shape (pulses, columns, slices).
        """
        flat = increments.reshape(len(increments), -1)
        _add_pulses(self._cells, rows, flat, self._low, self._high)

    def program_row(self, row: int, cells: NDArray[np.int16]) -> None:
        """Write a row; ``cells`` has shape (columns, slices)."""
        self._cells[row] = np.clip(cells.reshape(-1), self._low, self._high)
