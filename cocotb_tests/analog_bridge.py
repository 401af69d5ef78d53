"""The bridge between simulator and array models: the only place that knows both.

Wide variables of the bench are arrays of 32-bit words. Verilator lends their memory, so a transfer
is one copy; in Icarus they go through the handles, element by element.
"""

import ctypes
import time
from collections.abc import Callable
from typing import Any

import cocotb
import numba
import numpy as np
from cocotb.handle import Immediate
from cocotb.triggers import ValueChange
from numpy.typing import NDArray

from cocotb_tests.bench import words
from models.analog.array import Array
from models.analog.driver import PulseTrain
from panther.arch.params import McuParams

INTEGRATE, PROGRAM, PULSE = 1, 2, 3
OVER = np.uint32(1 << 31)
"""Overrange flag of a code slot."""


class Memory:
    """A bench variable as ``count`` elements of ``width`` 32-bit words.

    Parameters
    ----------
    scope
        Handle of the module instance that holds it.
    name
        The variable.
    width, count
        Words per element; elements, 0 for a variable that is no array.
    """

    def __init__(self, scope: Any, name: str, *, width: int = 1, count: int = 0) -> None:
        self.width, self.count = width, count
        self._view: NDArray[np.uint32] | None = None
        address = self.locate(scope, name)
        if address is None:
            self._handle = getattr(scope, name)
        else:
            size = width * max(count, 1)
            pointer = ctypes.cast(address, ctypes.POINTER(ctypes.c_uint32))
            self._view = np.ctypeslib.as_array(pointer, shape=(size,)).reshape(-1, width)

    def locate(self, scope: Any, name: str) -> int | None:
        """Address of the variable, or None if the simulator does not lend its memory."""
        if not cocotb.SIM_NAME.startswith("Verilator"):
            return None
        find = ctypes.CDLL(None).panther_memory
        find.restype = ctypes.c_void_p
        address = find(scope._path.encode(), name.encode())
        if not address:
            raise RuntimeError(f"Variable {scope._path}.{name} must be public in the bench")
        return address

    def read(self, start: int = 0, stop: int | None = None) -> NDArray[np.uint32]:
        """Elements ``start`` to ``stop`` as words, shape (elements, width); may be a view."""
        stop = max(self.count, 1) if stop is None else stop
        if self._view is not None:
            return self._view[start:stop]
        handle = self._handle
        elements = [handle[n] for n in range(start, stop)] if self.count else [handle]
        text = b"".join(
            element.value.to_unsigned().to_bytes(4 * self.width, "little") for element in elements
        )
        return np.frombuffer(text, dtype="<u4").reshape(-1, self.width)

    def write(self, values: NDArray[Any], start: int = 0) -> None:
        """Store elements given as words, shape (elements, width), from ``start`` on."""
        if self._view is not None:
            self._view[start : start + len(values)] = values
            return
        for n, element in enumerate(np.asarray(values).astype(np.uint32)):
            handle = self._handle[start + n] if self.count else self._handle
            handle.set(Immediate(int.from_bytes(element.astype("<u4").tobytes(), "little")))


def bits(packed: NDArray[np.uint32], count: int) -> NDArray[np.uint8]:
    """Unpack little-endian words along the last axis into ``count`` bits."""
    raw = np.ascontiguousarray(packed, dtype="<u4").view(np.uint8)
    return np.unpackbits(raw, axis=-1, bitorder="little", count=count)


@numba.njit(cache=True, nogil=True)
def _digit_values(packed, digit_bits, values):
    """``values[pulse, column] = sum(bit b of packed[pulse] at b * columns + column << b)``."""
    columns = values.shape[1]
    plane = np.empty(32 * packed.shape[1], dtype=np.int32)
    for pulse in range(len(packed)):
        if pulse and (packed[pulse] == packed[pulse - 1]).all():
            values[pulse] = values[pulse - 1]
            continue
        for word in range(packed.shape[1]):
            for b in range(32):
                plane[32 * word + b] = (packed[pulse, word] >> b) & 1
        values[pulse] = 0
        for b in range(digit_bits):
            for column in range(columns):
                values[pulse, column] |= plane[b * columns + column] << b


class AnalogBridge:
    """Serves the converter of one unit with an array model, once per analog event.

    Parameters
    ----------
    unit
        Handle of the unit in the bench.
    params
        Its parameters.
    array
        The array model behind its pins.
    tap
        Called as ``tap(kind, codes)`` after each event, for recordings; ``codes`` are the slots
        handed to the converter or None.
    memory
        How the bench's variables are reached.

    Attributes
    ----------
    events : int
        Analog events served.
    seconds : float
        CPU time spent in serving them.
    """

    def __init__(
        self,
        unit: Any,
        params: McuParams,
        array: Array,
        *,
        tap: Callable[[int, NDArray[np.uint32] | None], None] | None = None,
        memory: type[Memory] = Memory,
    ) -> None:
        self.params, self.array, self._tap = params, array, tap
        self.events = 0
        self.seconds = 0.0
        converter = unit.converter
        slices, lanes = params.slices.count, params.adc.per_slice
        self._groups = max(params.rows, params.columns) // lanes
        self._slots = slices * lanes
        self._row_words, self._column_words = words(params.rows), words(params.columns)
        self._digit_words = words(params.digit_bits * params.columns)
        pulse_words = 1 + self._row_words + self._column_words + self._digit_words
        self._converter = converter
        self._kind = memory(converter, "event_kind")
        self._flags = memory(converter, "event_flags")
        self._pulse_count = memory(converter, "event_pulses")
        self._rows = memory(converter, "event_rows", width=self._row_words)
        self._columns = memory(converter, "event_columns", width=self._column_words)
        self._loaded = memory(converter, "event_groups")
        self._held = memory(converter, "held")
        self._codes = memory(converter, "codes", width=self._slots, count=2 * self._groups)
        self._latches = memory(converter, "latches", width=self._slots, count=self._groups)
        self._pulses = memory(converter, "pulses", width=pulse_words, count=4 * params.operand_bits)

    async def serve(self) -> None:
        """Answer events for ever; start it as a task."""
        changed = ValueChange(self._converter.event_toggle)
        while True:
            await changed
            self.serve_one()

    def serve_one(self) -> None:
        """Answer one event."""
        start = time.thread_time()
        self._answer()
        self.events += 1
        self.seconds += time.thread_time() - start

    def _answer(self) -> None:
        kind = int(self._kind.read()[0, 0])
        if pulses := int(self._pulse_count.read()[0, 0]):
            self.array.pulse(self._train(pulses))
        slots = None
        if kind == INTEGRATE:
            flags = int(self._flags.read()[0, 0])
            transpose = bool(flags & 1)
            if transpose:
                drive = bits(self._columns.read()[0], self.params.columns)
            else:
                drive = bits(self._rows.read()[0], self.params.rows)
            conversion = self.array.convert(
                drive, transpose=transpose, fine=bool(flags & 2), copies=bool(flags & 4)
            )
            slots = conversion.code.view(np.uint32) & (OVER - 1) | conversion.over * OVER
            slots = slots.reshape(-1, self._slots)
            bank = 1 - int(self._held.read()[0, 0])
            self._codes.write(slots, bank * self._groups)
        elif kind == PROGRAM:
            selected = np.flatnonzero(bits(self._rows.read()[0], self.params.rows))
            groups = int(self._loaded.read()[0, 0])
            latches = self._latches.read(0, groups).view(np.int32)
            cells = latches.reshape(groups * self.params.adc.per_slice, -1)
            for row in selected:
                self.array.program(int(row), cells.astype(np.int16))
        if self._tap is not None:
            self._tap(kind, slots)

    def _train(self, count: int) -> PulseTrain:
        raw = self._pulses.read(0, count)
        params = self.params
        columns_at = 1 + self._row_words
        digits_at = columns_at + self._column_words
        values = np.empty((count, params.columns), dtype=np.int32)
        _digit_values(raw[:, digits_at:], params.digit_bits, values)
        signs = raw[:, 0]
        return PulseTrain(
            row_drive=bits(raw[:, 1:columns_at], params.rows),
            column_drive=bits(raw[:, columns_at:digits_at], params.columns),
            column_value=values,
            negative=((signs ^ (signs >> 1)) & 1).astype(np.uint8),
        )
