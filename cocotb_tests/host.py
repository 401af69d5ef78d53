"""Driver of the bench's host port: scripts of transfers, played by the bench without Python."""

from typing import Any

import numpy as np
from cocotb.triggers import Timer, ValueChange
from numpy.typing import NDArray

from cocotb_tests.analog_bridge import Memory
from cocotb_tests.bench import PERIOD_NS, result_bits, script_bits, words
from panther.arch.mcu import InBank, OutBank, counter_names
from panther.arch.params import McuParams

WRITE, COMMAND, WAIT, READ, CONFIG, CELLS_WRITE, CELLS_READ, COUNTER, CYCLE = range(1, 10)
DEPTH = 4096


class Script:
    """Transfers in the order the host port makes them.

    Every method appends; those that ask something return the slice of the answers it will have.
    """

    def __init__(self, params: McuParams) -> None:
        self.params = params
        self._entries: list[NDArray[np.uint32]] = []
        self.length = 0
        self.answers = 0
        self._width = script_bits(params) // 32

    def _append(
        self,
        kind: int,
        what: int,
        index: Any = 0,
        payload: NDArray[Any] | None = None,
        answers: bool = False,
    ) -> slice:
        index = np.atleast_1d(np.asarray(index, dtype=np.uint32))
        entries = np.zeros((len(index), self._width), dtype=np.uint32)
        entries[:, 0] = kind | what << 8 | index << 16
        if payload is not None:
            payload = np.asarray(payload)
            if payload.ndim < 2:
                payload = payload.reshape(-1, 1)
            entries[:, 1 : 1 + payload.shape[1]] = payload.astype(np.int64) & 0xFFFFFFFF
        self._entries.append(entries)
        self.length += len(index)
        first = self.answers
        if answers:
            self.answers += len(index)
        return slice(first, self.answers)

    def write(self, bank: InBank, values: Any, *, first: int = 0) -> None:
        """Words into XbarIn, from index ``first`` on."""
        self._append(WRITE, bank, first + np.arange(len(values)), values)

    def command(self, operation: int, row: int = 0, *, wait: bool = True) -> None:
        """An operation, or any number; by default the script goes on when it is done."""
        self._append(COMMAND, operation, row)
        if wait:
            self.wait()

    def wait(self) -> None:
        """Until the unit is idle."""
        self._append(WAIT, 0)

    def configure(self, key: int, value: int) -> None:
        """A configuration register, or any number."""
        self._append(CONFIG, key, 0, np.array([value]))

    def read(self, bank: OutBank, count: int, first: int = 0) -> slice:
        """Words out of XbarOut, from index ``first`` on."""
        return self._append(READ, bank, first + np.arange(count), answers=True)

    def write_cells(self, cells: NDArray[Any], first: int = 0) -> None:
        """Cells, shape (slices, columns), into the row buffer, from column ``first`` on."""
        columns = first + np.arange(cells.shape[1])
        self._append(CELLS_WRITE, 0, columns, pack_cells(self.params, cells))

    def read_cells(self, columns: int, first: int = 0) -> slice:
        """Cells out of the row buffer; see :func:`unpack_cells`."""
        return self._append(CELLS_READ, 0, first + np.arange(columns), answers=True)

    def counters(self) -> slice:
        """All saturation counters, in the order of ``counter_names``."""
        first = self.answers
        for n in range(len(counter_names(self.params.slices.count))):
            self._append(COUNTER, n, answers=True)
        return slice(first, self.answers)

    def cycle(self) -> slice:
        """The clock cycle in which the script comes here."""
        return self._append(CYCLE, 0, answers=True)

    def words(self) -> NDArray[np.uint32]:
        return np.concatenate(self._entries)


def pack_cells(params: McuParams, cells: NDArray[Any]) -> NDArray[np.uint32]:
    """Cells (slices, columns) as little-endian 32-bit words, shape (columns, words)."""
    packed = np.zeros((cells.shape[1], words(max(32, sum(params.slices.cell_bits)))), np.uint32)
    for column in range(cells.shape[1]):
        value, offset = 0, 0
        for k, width in enumerate(params.slices.cell_bits):
            value |= (int(cells[k, column]) & (1 << width) - 1) << offset
            offset += width
        packed[column] = np.frombuffer(value.to_bytes(4 * packed.shape[1], "little"), dtype="<u4")
    return packed


def unpack_cells(params: McuParams, answers: NDArray[np.uint32]) -> NDArray[np.int16]:
    """Cells (slices, columns) from answers of :meth:`Script.read_cells`."""
    cells = np.zeros((params.slices.count, len(answers)), dtype=np.int16)
    for column, answer in enumerate(answers):
        value = int.from_bytes(answer.astype("<u4").tobytes(), "little")
        for k, width in enumerate(params.slices.cell_bits):
            field = value & (1 << width) - 1
            cells[k, column] = field - (field >> (width - 1) << width)
            value >>= width
    return cells


async def reset(dut: Any) -> None:
    """Reset the whole bench; the first thing a testbench does.

    A script that is being played is abandoned: nobody may be waiting for it any more.
    """
    # Verilator sets initial values in its first evaluation, after testbenches have started
    await Timer(1, "step")
    Memory(dut, "starting").write(np.array([[3]]))
    await Timer(6 * PERIOD_NS, "ns")


class HostPort:
    """The host port of one unit; made after :func:`reset`.

    Parameters
    ----------
    unit
        Handle of the unit in the bench.
    params
        Its parameters.
    stall
        In every cycle each stream pauses with probability ``stall / 256``.
    """

    def __init__(self, unit: Any, params: McuParams, *, stall: int = 0) -> None:
        host = unit.host
        self._done = host.done_toggle
        self._length = Memory(host, "length")
        self._script = Memory(host, "script", width=script_bits(params) // 32, count=DEPTH)
        self._results = Memory(host, "results", width=result_bits(params) // 32, count=DEPTH)
        self._rejections = Memory(host, "rejections")
        Memory(host, "stall").write(np.array([[stall]]))

    @property
    def rejections(self) -> int:
        """Requests the unit has refused so far."""
        return int(self._rejections.read()[0, 0])

    async def play(self, script: Script) -> NDArray[np.uint32]:
        """Play a script; returns its answers as words, shape (answers, words)."""
        if script.length > DEPTH:
            raise ValueError(f"Script must have at most {DEPTH} entries, not {script.length}")
        self._script.write(script.words())
        self._length.write(np.array([[script.length]]))
        await ValueChange(self._done)
        return np.array(self._results.read(0, script.answers))


def signed_words(answers: NDArray[np.uint32]) -> NDArray[np.int64]:
    """Answers of :meth:`Script.read` as integers."""
    return answers[:, 0].astype(np.int32).astype(np.int64)
