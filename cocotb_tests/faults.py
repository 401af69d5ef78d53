"""Fault drills: break one thing on the hardware's side and see that the comparison finds it."""

import re
from dataclasses import dataclass, fields, replace

from models.analog.adc import Conversion
from models.analog.array import IdealArray


@dataclass(frozen=True, kw_only=True)
class Stuck:
    """A cell that always holds ``value``."""

    unit: int = 0
    slice: int = 0
    row: int = 0
    column: int = 0
    value: int = 5


@dataclass(frozen=True, kw_only=True)
class Flip:
    """One bit of a word of the MVM operand in XbarIn, flipped in the given example."""

    unit: int = 0
    row: int = 0
    bit: int = 9
    example: int = 2


@dataclass(frozen=True, kw_only=True)
class Drop:
    """One ADC code that reads 0: slice and line of the given conversion, counted from 0."""

    unit: int = 0
    slice: int = 0
    line: int = 0
    event: int = 40


Fault = Stuck | Flip | Drop
KINDS: dict[str, type[Stuck] | type[Flip] | type[Drop]] = {
    "stuck": Stuck, "flip": Flip, "drop": Drop,
}  # fmt: skip


def parse_fault(text: str) -> Fault:
    """Read ``stuck:slice=3,row=7``, ``flip:row=3,bit=9`` or ``drop:line=4,event=100``.

    Raises
    ------
    ValueError
        If the kind or a name is unknown or a value is no integer; the message lists what there is.
    """
    kind, _, settings = text.partition(":")
    if kind not in KINDS:
        raise ValueError(f"Fault must be one of {', '.join(KINDS)}, not {kind!r}")
    names = [field.name for field in fields(KINDS[kind])]
    values: dict[str, int] = {}
    for item in filter(None, settings.split(",")):
        name, _, value = item.partition("=")
        if name not in names:
            raise ValueError(f"Setting of {kind} must be one of {', '.join(names)}, not {name!r}")
        if not re.fullmatch(r"-?\d+", value):
            raise ValueError(f"{name} of {kind} must be an integer, not {value!r}")
        values[name] = int(value)
    return KINDS[kind](**values)


class FaultyArray:
    """An ideal array with a stuck cell or a dropped code; everything else passes through."""

    def __init__(self, array: IdealArray, fault: Stuck | Drop) -> None:
        self._array, self._fault = array, fault
        self._events = 0
        self._stick()

    @property
    def cells(self):
        return self._array.cells

    @cells.setter
    def cells(self, cells):
        self._array.cells = cells
        self._stick()

    def convert(self, drive, *, transpose: bool, fine: bool) -> Conversion:
        conversion = self._array.convert(drive, transpose=transpose, fine=fine)
        if isinstance(self._fault, Drop):
            if self._events == self._fault.event:
                code = conversion.code.copy()
                code[self._fault.line, self._fault.slice] = 0
                conversion = replace(conversion, code=code)
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
            cells = self._array.cells
            cells[self._fault.slice, self._fault.row, self._fault.column] = self._fault.value
            self._array.cells = cells
