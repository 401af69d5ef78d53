"""The analog arrays of one matrix compute unit as its pins see them."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from models.analog import dac, sample_hold
from models.analog.adc import Adc, Conversion
from models.analog.crossbar import Crossbar
from models.analog.driver import Driver, PulseTrain
from panther.arch.params import McuParams


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
    """Integer arrays without any analog error: what the design says of every stage.

    Parameters
    ----------
    params
        The matrix compute unit the arrays belong to.
    """

    def __init__(self, params: McuParams) -> None:
        self.crossbar = Crossbar(params)
        self.adc = Adc(params)
        self.driver = Driver(params)

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
        self.crossbar.add_pulses(*self.driver.increments(train))

    def program(self, row: int, cells: NDArray[np.int16]) -> None:
        self.crossbar.program_row(row, cells)
