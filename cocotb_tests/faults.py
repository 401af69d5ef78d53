"""Fault drills: break one thing on the hardware's side and see that the comparison finds it."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from models.analog.adc import Conversion
from models.analog.array import IdealArray
from panther.arch.core import CoreParams
from panther.arch.params import McuParams


@dataclass(frozen=True, kw_only=True)
class Stuck:
    """A cell, of the array that is written, that always holds ``value``."""

    unit: int = 0
    slice: int = 0
    row: int = 0
    column: int = 0
    value: int = 5


@dataclass(frozen=True, kw_only=True)
class Flip:
    """One bit of a pixel of the given example, flipped in the hardware's memory."""

    row: int = 0
    bit: int = 9
    example: int = 2


@dataclass(frozen=True, kw_only=True)
class Drop:
    """One ADC code that reads 0: the first one of its slice and line, from conversion ``event`` on,
    that does not do so anyway.
    """

    unit: int = 0
    slice: int = 0
    line: int = 0
    event: int = 40


@dataclass(frozen=True, kw_only=True)
class Parity:
    """The parity bit of a word of the instruction memory, wrong from the start."""

    address: int = 0


Fault = Stuck | Flip | Drop
KINDS: dict[str, type[Stuck] | type[Flip] | type[Drop]] = {
    "stuck": Stuck, "flip": Flip, "drop": Drop,
}  # fmt: skip
"""Faults of a training."""
PROGRAM_KINDS: dict[str, type[Stuck] | type[Drop] | type[Parity]] = {
    "stuck": Stuck, "drop": Drop, "parity": Parity,
}  # fmt: skip
"""Faults of any program."""


def check_fault(fault: Fault, params: McuParams, layers: Sequence[int], examples: int) -> None:
    """Check that a fault hits a place the network uses in the course of ``examples``.

    Raises
    ------
    ValueError
        If unit, slice, line, bit or value does not exist there.
    """
    if isinstance(fault, Flip):
        _in_range("row", fault.row, 0, layers[0] - 1)
        _in_range("bit", fault.bit, 0, params.operand_bits - 1)
        _in_range("example", fault.example, 0, examples - 1)
        return
    _in_range("unit", fault.unit, 0, len(layers) - 2)
    rows, columns = layers[fault.unit] + 1, layers[fault.unit + 1]
    _in_range("slice", fault.slice, 0, params.slices.count - 1)
    if isinstance(fault, Stuck):
        _in_range("row", fault.row, 0, rows - 1)
        _in_range("column", fault.column, 0, columns - 1)
        _in_range("value", fault.value, *params.slices.cell_range(fault.slice))
    else:
        _in_range("line", fault.line, 0, columns - 1)
        _in_range("event", fault.event, 0, examples * params.operand_bits - 1)


def check_program_fault(fault: Stuck | Drop | Parity, params: CoreParams) -> None:
    """Check that a fault hits a place the core has.

    Raises
    ------
    ValueError
        If unit, slice, line, value or address does not exist there.
    """
    if isinstance(fault, Parity):
        _in_range("address", fault.address, 0, params.instructions - 1)
        return
    mcu = params.mcu
    _in_range("unit", fault.unit, 0, params.mcus - 1)
    _in_range("slice", fault.slice, 0, mcu.slices.count - 1)
    if isinstance(fault, Stuck):
        _in_range("row", fault.row, 0, mcu.rows - 1)
        _in_range("column", fault.column, 0, mcu.columns - 1)
        _in_range("value", fault.value, *mcu.slices.cell_range(fault.slice))
    else:
        _in_range("line", fault.line, 0, max(mcu.rows, mcu.columns) - 1)
        _in_range("event", fault.event, 0, 10**9 - 1)


def _in_range(name: str, value: int, low: int, high: int) -> None:
    if not low <= value <= high:
        raise ValueError(f"Fault's {name} must be in the range [{low}, {high}], not {value}")


def parse_fault(text: str, kinds: Mapping[str, Any] = KINDS) -> Any:
    """Read ``stuck:slice=3,row=7``, ``flip:row=3,bit=9`` or ``drop:line=4,event=100``.

    Raises
    ------
    ValueError
        If the kind or a name is unknown or a value is no integer; the message lists what there is.
    """
    kind, _, settings = text.partition(":")
    if kind not in kinds:
        raise ValueError(f"Fault must be one of {', '.join(kinds)}, not {kind!r}")
    names = [field.name for field in fields(kinds[kind])]
    values: dict[str, int] = {}
    for item in filter(None, settings.split(",")):
        name, _, value = item.partition("=")
        if name not in names:
            raise ValueError(f"Setting of {kind} must be one of {', '.join(names)}, not {name!r}")
        if name in values:
            raise ValueError(f"{name} of {kind} must be given once, not twice")
        if not re.fullmatch(r"-?[0-9]{1,9}", value):
            raise ValueError(f"{name} of {kind} must be an integer, not {value!r}")
        values[name] = int(value)
    return kinds[kind](**values)


class FaultyArray:
    """An ideal array with a stuck cell or a dropped code; everything else passes through."""

    def __init__(self, array: IdealArray, fault: Stuck | Drop) -> None:
        self._array, self._fault = array, fault
        self._events = 0
        self._dropped = False
        self._stick()

    @property
    def cells(self):
        return self._array.cells

    @cells.setter
    def cells(self, cells):
        self._array.cells = cells
        self._stick()

    def convert(self, drive, *, transpose: bool, fine: bool, copies: bool) -> Conversion:
        conversion = self._array.convert(drive, transpose=transpose, fine=fine, copies=copies)
        if isinstance(self._fault, Drop):
            place = (self._fault.line, self._fault.slice)
            due = not self._dropped and self._events >= self._fault.event
            if due and conversion.code[place]:
                code = conversion.code.copy()
                code[place] = 0
                conversion = replace(conversion, code=code)
                self._dropped = True
            self._events += 1
        return conversion

    def pulse(self, train) -> None:
        self._array.pulse(train)
        self._stick()

    def program(self, row, cells) -> None:
        self._array.program(row, cells)
        self._stick()

    def _stick(self) -> None:
        if isinstance(self._fault, Stuck):
            # not through ``cells``, which would set the read copies
            cells, _ = self._array.crossbar.storage
            cells[self._fault.row, self._fault.slice, self._fault.column] = self._fault.value
