"""The analog arrays of one matrix compute unit as its pins see them."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from models.analog import dac, sample_hold
from models.analog.adc import Adc, Conversion
from models.analog.crossbar import Crossbar
from panther.arch.params import McuParams


@dataclass(frozen=True, kw_only=True)
class PulseTrain:
    """The pulses of an OPA, in the order they came."""

    row_drive: NDArray[np.uint8]
    """Rows selected, shape (pulses, rows), 0 or 1."""
    column_drive: NDArray[np.uint8]
    """Columns selected, shape (pulses, columns), 0 or 1."""
    column_value: NDArray[np.int64]
    """``abs(e) << j`` on the digit lines, shape (pulses, columns), unsigned."""
    negative: NDArray[np.uint8]
    """Whether the pulse takes away, shape (pulses,)."""


class Array(Protocol):
    """What every array model offers, whatever its physics."""

    @property
    def cells(self) -> NDArray[np.int16]:
        """The nearest integer state of the cells, shape (slices, rows, columns)."""
        ...

    def convert(self, drive: NDArray[np.uint8], *, transpose: bool, fine: bool) -> Conversion:
        """Drive rows (columns if ``transpose``), settle, sample, convert all other lines."""
        ...

    def pulse(self, train: PulseTrain) -> None:
        """Apply the pulses of an outer product."""
        ...

    def program(self, row: int, cells: NDArray[np.int16]) -> None:
        """Write one row, ``cells`` of shape (columns, slices)."""
        ...


class IdealArray:
    """Integer arrays without any analog error: DAC, crossbar, S&H and ADC as the design says.

    Parameters
    ----------
    params
        The matrix compute unit the arrays belong to.
    """

    def __init__(self, params: McuParams) -> None:
        self.crossbar = Crossbar(params)
        self.adc = Adc(params)
        self._slices = params.slices

    @property
    def cells(self) -> NDArray[np.int16]:
        return self.crossbar.cells

    @cells.setter
    def cells(self, cells: NDArray[np.int16]) -> None:
        self.crossbar.cells = cells

    def convert(self, drive: NDArray[np.uint8], *, transpose: bool, fine: bool) -> Conversion:
        levels = dac.levels(drive)
        line_sums = self.crossbar.row_sums if transpose else self.crossbar.column_sums
        return self.adc.convert(sample_hold.hold(line_sums(levels)), fine=fine)

    def pulse(self, train: PulseTrain) -> None:
        p, count = self._slices.value_bits, self._slices.count
        driven = np.where(train.column_drive, train.column_value, 0)
        increments = np.empty((*driven.shape, count), dtype=np.int32)
        for k in range(count):
            digit = driven >> (k * p)
            # digits above the top slice widen it
            increments[..., k] = digit if k == count - 1 else digit & ((1 << p) - 1)
        increments[train.negative.astype(bool)] *= -1
        self.crossbar.add_pulses(train.row_drive, increments)

    def program(self, row: int, cells: NDArray[np.int16]) -> None:
        self.crossbar.program_row(row, cells)
