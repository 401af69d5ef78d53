"""Driver of the core's bench: loads programs and data, runs them, collects what the core did."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import First, ValueChange
from cocotb.utils import get_sim_time
from numpy.typing import NDArray

from cocotb_tests.analog_bridge import AnalogBridge, Memory
from cocotb_tests.bench import PERIOD_NS
from cocotb_tests.bench.core import RESULT_BANK, TRACE_DEPTH
from cocotb_tests.host import HostPort, Script, unpack_cells
from cocotb_tests.mcu_bridge import McuBridge
from models.analog.array import Array
from models.system.trace import Event
from panther.arch.core import ADDRESS_BITS, LANES, CoreParams, Fault
from panther.arch.mcu import Operation, OutBank

LOAD, COPY, START, IMPATIENT = 1, 2, 4, 8
VALID = 1 << 31


@dataclass(frozen=True)
class Stop:
    """How a run ended."""

    fault: Fault
    pc: int
    cycle: int
    running: bool
    """It had not, when its limit of cycles was reached."""
    retired: int
    """Instructions retired."""
    cycles: int
    """Cycles up to the last one that did."""


class TraceReader:
    """Takes what the trace of a core has kept."""

    def __init__(self, trace: Any) -> None:
        self._rings = {
            event: (Memory(trace, ring, width=width, count=TRACE_DEPTH), Memory(trace, count))
            for event, ring, width, count in (
                (Event.RETIRE, "retires", 4, "retire_count"),
                (Event.SCALAR, "scalars", 3, "scalar_count"),
                (Event.VECTOR, "vectors", 4, "vector_count_all"),
                (Event.REQUEST, "memories", 5, "memory_count"),
            )
        }
        self._taken = dict.fromkeys(self._rings, 0)

    def count(self, event: Event) -> int:
        """Rows of one stream that have come."""
        return int(self._rings[event][1].read()[0, 0])

    def forget(self) -> None:
        """Skip what was traced so far."""
        self._taken = {event: self.count(event) for event in self._rings}

    def take(self, event: Event) -> NDArray[np.int64]:
        """Rows of one stream not taken yet, as :class:`models.system.trace.Event` says, with the
        bench's cycles.
        """
        ring, _ = self._rings[event]
        first, last = self._taken[event], self.count(event)
        if last - first > TRACE_DEPTH:
            raise RuntimeError(f"Trace must be taken in time, but {last - first} rows came")
        self._taken[event] = last
        begin, end = first % TRACE_DEPTH, last % TRACE_DEPTH
        if first == last:
            raw = np.zeros((0, ring.width), np.uint32)
        elif begin < end:
            raw = ring.read(begin, end)
        else:
            raw = np.concatenate([ring.read(begin, TRACE_DEPTH), ring.read(0, end)])
        return _rows_of(event, raw)


class CoreDriver:
    """One core on its bench; made after :func:`cocotb_tests.host.reset`.

    Parameters
    ----------
    core
        Handle of the core in the bench.
    params
        Its parameters.
    arrays
        The array model behind each matrix unit.

    Attributes
    ----------
    twins : tuple of int
        Units the bench has at transaction level.
    """

    def __init__(self, core: Any, params: CoreParams, arrays: Sequence[Array]) -> None:
        self.params, self.arrays = params, tuple(arrays)
        self.units = [getattr(core, f"unit{n}") for n in range(params.mcus)]
        twins = int(Memory(core, "twin_units").read()[0, 0])
        self.twins = tuple(n for n in range(params.mcus) if twins >> n & 1)
        self.bridges = [
            McuBridge(getattr(core.core, f"mcu{n}").twin, params.mcu, array)
            if n in self.twins
            else AnalogBridge(unit, params.mcu, array)
            for n, (unit, array) in enumerate(zip(self.units, arrays, strict=True))
        ]
        for bridge in self.bridges:
            cocotb.start_soon(bridge.serve())
        self.host = HostPort(core, params.mcu)
        self._host_mcu = Memory(core, "host_mcu")
        self._stopped = Memory(core, "stopped", count=4)
        runner = core.runner
        self._done = ValueChange(runner.done_toggle)
        self._program = Memory(runner, "program_words", width=3, count=params.instructions)
        self._length = Memory(runner, "length")
        self._start_pc = Memory(runner, "start_pc")
        self._limit = Memory(runner, "limit")
        self._go = Memory(runner, "go")
        self._cycles = Memory(runner, "cycles")
        groups = params.memory_words // LANES
        memory = core.memory
        self._image = Memory(memory, "image", width=2, count=groups)
        self._image_state = Memory(memory, "image_state", count=groups)
        self._words = Memory(memory, "words", width=2, count=groups)
        self._state = Memory(memory, "state", count=groups)
        trace = core.trace
        self._full = ValueChange(trace.full_toggle)
        self._trace = TraceReader(trace)
        self._retire_cycle = Memory(trace, "retire_cycle")
        self._results = [
            (
                ValueChange(unit.results.done_toggle),
                Memory(unit.results, "count"),
                Memory(unit.results, "operation"),
                self._words_of(core, n),
                Memory(unit.results, "cycles"),
            )
            for n, unit in enumerate(self.units)
        ]
        self._operations = [0] * params.mcus
        self._loaded = 0

    def _words_of(self, core: Any, mcu: int) -> Memory:
        """Both banks of a unit's results."""
        if mcu in self.twins:
            return Memory(getattr(core.core, f"mcu{mcu}").twin, "xbar_out", count=2 * RESULT_BANK)
        return Memory(self.units[mcu].results, "words_of", count=2 * RESULT_BANK)

    # ---- what the host does while the core does not run

    def use(self, arrays: Sequence[Array]) -> None:
        """Put other array models behind the units."""
        self.arrays = tuple(arrays)
        for bridge, array in zip(self.bridges, arrays, strict=True):
            bridge.array = array

    def forget(self) -> None:
        """Skip what was traced so far, and what the units have done."""
        self._trace.forget()
        self._operations = [int(result[1].read()[0, 0]) for result in self._results]

    async def load(
        self, words: Sequence[int], bad_parity: Sequence[int] = (), *, first: int = 0
    ) -> None:
        """Load a program from address ``first`` on; of ``bad_parity`` with wrong parity."""
        entries = np.zeros((len(words), 3), np.uint32)
        for n, word in enumerate(words):
            address = first + n
            entries[n] = (
                word & 0xFFFFFFFF,
                word >> 32,
                address | (address in bad_parity) << ADDRESS_BITS,
            )
        self._program.write(entries)
        self._length.write(np.array([[len(words)]]))
        await self._command(LOAD)
        self._loaded = max(self._loaded, first + len(words))

    async def clear(self, first: int) -> None:
        """Empty the instruction memory from ``first`` on."""
        if self._loaded > first:
            await self.load([0] * (self._loaded - first), first=first)
            self._loaded = first

    async def load_memory(
        self, words: NDArray[np.int16], valid: NDArray[np.bool_], readers: NDArray[Any]
    ) -> None:
        """Set all words of the memory, and of each of its groups whether it is valid and who has
        to read it.
        """
        packed = np.ascontiguousarray(words, "<i2").view("<u4").reshape(-1, 2)
        state = np.where(valid, VALID, 0) | readers
        self._write_changed(self._image, packed)
        self._write_changed(self._image_state, state.astype(np.uint32).reshape(-1, 1))
        await self._command(COPY)

    @staticmethod
    def _write_changed(memory: Memory, values: NDArray[np.uint32]) -> None:
        """Icarus takes a while for every element."""
        if memory._view is not None:
            memory.write(values)
            return
        before = memory.read()
        for n in np.flatnonzero((before != values).any(axis=1)):
            memory.write(values[n : n + 1], int(n))

    async def play(self, mcu: int, script: Script) -> NDArray[np.uint32]:
        """Play a script on the host port of a unit."""
        self._host_mcu.write(np.array([[mcu]]))
        return await self.host.play(script)

    async def write_cells(self, mcu: int, cells: NDArray[Any]) -> None:
        """Program rows of cells, shape (slices, rows, columns), through the unit's host port."""
        for row in range(cells.shape[1]):
            script = Script(self.params.mcu)
            script.write_cells(cells[:, row])
            script.command(Operation.WRITE, row)
            await self.play(mcu, script)

    async def read_cells(self, mcu: int, rows: int, columns: int) -> NDArray[np.int16]:
        """Cells as the unit reads them back, shape (slices, rows, columns)."""
        found = []
        for row in range(rows):
            script = Script(self.params.mcu)
            script.command(Operation.READ, row)
            where = script.read_cells(columns)
            answers = (await self.play(mcu, script))[where]
            found.append(unpack_cells(self.params.mcu, answers))
        return np.stack(found, axis=1)

    async def _command(self, go: int) -> None:
        self._go.write(np.array([[go]]))
        await self._done

    # ---- running

    async def run(
        self,
        *,
        pc: int = 0,
        limit: int = 0,
        patient: bool = True,
        on_operation: Callable[[int, Operation], None] | None = None,
        on_trace: Callable[[], None] | None = None,
    ) -> Stop:
        """Start and wait until the core has stopped.

        Parameters
        ----------
        pc
            Where to start.
        limit
            Cycles after which to give up; 0 is never.
        patient
            Wait also for what is still going on when the core has stopped.
        on_operation
            Called with unit and operation when it is done, before the trace of its cycle.
        on_trace
            Called when there is some trace to take, and at the end.
        """
        self._start_pc.write(np.array([[pc]]))
        self._limit.write(np.array([[limit]]))
        self._go.write(np.array([[START if patient else START | IMPATIENT]]))
        before = self._retired
        done = self._done
        triggers = [done]
        if on_operation is not None:
            triggers += [result[0] for result in self._results]
        if on_trace is not None:
            triggers.append(self._full)
        while True:
            fired = await First(*triggers) if len(triggers) > 1 else await done
            if on_operation is not None:
                self._see_operations(on_operation)
            if on_trace is not None:
                on_trace()
            if fired is done:
                break
        fault, at, cycle, running = (int(word) for word in self._stopped.read()[:, 0])
        retired = self._retired - before
        cycles = int(self._retire_cycle.read()[0, 0]) + 1 if retired else 0
        return Stop(Fault(fault), at, cycle, bool(running), retired, cycles)

    @property
    def _retired(self) -> int:
        return self._trace.count(Event.RETIRE)

    def _see_operations(self, on_operation: Callable[[int, Operation], None]) -> None:
        for mcu, (_, count, operation, _, _) in enumerate(self._results):
            now = int(count.read()[0, 0])
            if now != self._operations[mcu]:
                assert now == self._operations[mcu] + 1, "every operation must be seen"
                self._operations[mcu] = now
                on_operation(mcu, Operation(int(operation.read()[0, 0])))

    # ---- what can be seen

    @property
    def cycle(self) -> int:
        """Cycle of the present run."""
        return int(self._cycles.read()[0, 0])

    def time_of(self, cycle: int) -> float:
        """Simulation time in ns of a cycle of the present run."""
        return get_sim_time("ns") - (self.cycle - cycle) * PERIOD_NS

    def xbar_out(self, mcu: int, bank: OutBank) -> NDArray[np.int16]:
        """What a unit has put into a bank of XbarOut."""
        first = RESULT_BANK * bank
        words = self._results[mcu][3].read(first, first + self.params.out_lines(bank))
        return words[:, 0].astype(np.uint16).view(np.int16)

    def operation_cycles(self, mcu: int) -> int:
        """Cycles of the operation a unit has just done."""
        return int(self._results[mcu][4].read()[0, 0])

    @property
    def memory(self) -> tuple[NDArray[np.int16], NDArray[np.bool_], NDArray[np.int64]]:
        """All words of the memory; of each group whether it is valid, and its readers."""
        words = np.ascontiguousarray(self._words.read()).view(np.int16).reshape(-1)
        state = self._state.read()[:, 0].astype(np.int64)
        return words, state & VALID != 0, state & 0x1FF

    def take(self, event: Event) -> NDArray[np.int64]:
        """Rows of one stream not taken yet, as :class:`models.system.trace.Event` says."""
        return self._trace.take(event)


def _wide(raw: NDArray[np.uint32], column: int) -> NDArray[np.int64]:
    low, high = raw[:, column].astype(np.uint64), raw[:, column + 1].astype(np.uint64)
    return (low | high << np.uint64(32)).view(np.int64)


def _rows_of(event: Event, raw: NDArray[np.uint32]) -> NDArray[np.int64]:
    """Rows of a stream as :class:`models.system.trace.Event` says, from those of a trace's ring."""
    words = raw.astype(np.int64)
    one = words[:, 1]
    if event is Event.SCALAR or event is Event.RETIRE:
        return words
    if event is Event.VECTOR:
        columns = [words[:, 0], one & 0xFFFF, one >> 16, _wide(raw, 2)]
    else:
        columns = [
            words[:, 0], one & 3, words[:, 2] >> 16, one >> 3 & 15, one >> 7 & 1, one >> 8 & 1,
            words[:, 2] & 0xFFFF, _wide(raw, 3),
        ]  # fmt: skip
    return np.stack(columns, axis=1)
