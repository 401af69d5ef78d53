"""Lockstep: RTL and transaction level run one program; every event of one is the other's, too.

Compared are, each with its cycle: retired instructions, scalar registers, words of the register
file, requests to the memory; whenever a matrix unit is done, its results and its cells; and at the
end why, where and when the core stopped, and the whole memory.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from cocotb_tests.compare import Divergence, compare
from cocotb_tests.core_driver import CoreDriver, Stop
from cocotb_tests.program_trace import STREAMS, Tracer, compact, signed, words_of_row
from models.system.core import Core, Status
from models.system.trace import WIDTHS, Event
from panther.arch.core import LANES, Fault, MemoryOp
from panther.arch.mcu import Operation, OutBank
from panther.asm import Program, instruction_text

END = 1 << 62
"""A cycle that never comes."""
RESULTS = {Operation.MVM: OutBank.MVM, Operation.MTVM: OutBank.MTVM}


class Lockstep:
    """Runs a program on both and compares.

    Parameters
    ----------
    rtl
        The core on its bench.
    twin
        The core at transaction level, with arrays of its own and a trace.
    program
        What runs, for the report.
    """

    def __init__(self, rtl: CoreDriver, twin: Core, program: Program | None = None) -> None:
        self.rtl, self.twin, self.program = rtl, twin, program
        self.retired = 0
        """Instructions compared."""
        self.compared = 0
        """Events, words and cells compared."""
        # events of either side that the other has not come to
        self._kept: dict[Event, tuple[NDArray[np.int64], NDArray[np.int64]]] = {}
        self._counts = [0] * rtl.params.mcus
        self._operations: list[list[tuple[Operation, int]]] = [[] for _ in range(rtl.params.mcus)]
        self._noted = 0
        self._history: list[tuple[int, int, int]] = []
        self.on_retire: Callable[[NDArray[np.int64]], None] = lambda rows: None
        """Called with the rows of retired instructions that were equal."""

    async def run(self, *, pc: int = 0, limit: int = 0) -> Stop:
        """Run both from ``pc`` until the core stops.

        Raises
        ------
        Divergence
            With the instruction, its place in the source, both sides and the time.
        """
        self.twin.forget_events()
        self.twin.start(pc)
        nothing = {event: np.zeros((0, WIDTHS[event]), np.int64) for event in STREAMS}
        self._kept = {event: (rows, rows) for event, rows in nothing.items()}
        self._counts = [0] * self.rtl.params.mcus
        self._operations = [[] for _ in range(self.rtl.params.mcus)]
        self._noted = 0
        self.retired = 0
        stop = await self.rtl.run(
            pc=pc, limit=limit, on_trace=self._trace, on_operation=self._operation
        )
        self._end(stop)
        return stop

    # ---- comparing

    def _operation(self, mcu: int, operation: Operation) -> None:
        self._counts[mcu] += 1
        number = self._counts[mcu]
        self.twin.run(until_operation=(mcu, number))
        what = f"operation {number}, {operation.name}"
        self._note_operations()
        if number > len(self._operations[mcu]):
            self._report(self.rtl.cycle, f"m{mcu}, {what}: twin has not begun it")
        kind, cycles = self._operations[mcu][number - 1]
        compare(f"m{mcu}", f"operation {number}", int(kind), int(operation))
        compare(f"m{mcu}", f"{what}, cycles", cycles, self.rtl.operation_cycles(mcu))
        self._unit(mcu, operation, what)

    def _note_operations(self) -> None:
        """Remember what the twin has told its units, and how long it takes, unit by unit."""
        rows = self.twin.events(Event.OPERATION)[self._noted :]
        self._noted += len(rows)
        for _, mcu, operation, handed, done in rows.tolist():
            self._operations[mcu].append((Operation(operation), done - handed))

    def _unit(self, mcu: int, operation: Operation | None, what: str) -> None:
        for kind, bank in RESULTS.items():
            if operation in (None, kind):
                twin, rtl = self.twin.xbar_out(mcu, bank), self.rtl.xbar_out(mcu, bank)
                compare(f"m{mcu}", f"{what}, XbarOut.{bank.name}", twin, rtl, ("line",))
                self.compared += rtl.size
        if operation not in RESULTS:
            axes = ("slice", "row", "column")
            rtl = self.rtl.arrays[mcu].cells
            compare(f"m{mcu}", f"{what}, cells", self.twin.cells(mcu), rtl, axes)
            self.compared += rtl.size

    def _trace(self) -> None:
        rows = {event: self.rtl.take(event) for event in STREAMS}
        self.retired += len(rows[Event.RETIRE])
        self.twin.run(limit_instructions=self.retired)
        self._compare(rows)

    def _compare(self, rtl: dict[Event, NDArray[np.int64]], until: int | None = None) -> None:
        """Compare what both have; before cycle ``until`` none may have more."""
        first: tuple[int, int, str, str] | None = None
        names = Tracer(self.rtl.params, self.program)
        for event in STREAMS:
            twin_kept, mine_kept = self._kept[event]
            twin = np.concatenate([twin_kept, self.twin.events(event)])
            mine = np.concatenate([mine_kept, rtl[event]])
            both = min(len(twin), len(mine))
            unequal = np.flatnonzero((twin[:both] != mine[:both]).any(axis=1))
            at = int(unequal[0]) if len(unequal) else both
            missing = False
            if until is not None and at == both:
                missing = any((side[both:, 0] < until).any() for side in (twin, mine))
            if len(unequal) or missing:
                sides = [
                    (int(side[at, 0]), event_text(event, side[at], names))
                    if at < len(side)
                    else None
                    for side in (twin, mine)
                ]
                cycle = min(side[0] for side in sides if side is not None)
                texts = ["nothing" if side is None else side[1] for side in sides]
                if first is None or cycle < first[0]:
                    first = (cycle, int(event), *texts)
            self._kept[event] = twin[both:], mine[both:]
            self.compared += both
            if event is Event.RETIRE:
                self._history += [(int(row[0]), int(row[1]), _word(row)) for row in mine[:at]]
                self._history = self._history[-64:]
                self.on_retire(mine[:at])
        self._note_operations()
        self._noted = 0
        self.twin.forget_events()
        if first is not None:
            self._report(first[0], f"twin {first[2]}, rtl {first[3]}")

    def _end(self, stop: Stop) -> None:
        rows = {event: self.rtl.take(event) for event in STREAMS}
        self.retired += len(rows[Event.RETIRE])
        if stop.running:
            # what RTL has not come to, though it is its turn, is a difference
            now = self.rtl.cycle - 2
            status = self.twin.run(limit_cycles=now)
            self._compare(rows, now)
            if status is not Status.RUNNING and self.twin.cycle < now:
                self._report(self.twin.cycle, f"twin {status.value}, rtl running")
            return
        # one more than RTL did: a fault shows, and so does an instruction that should not be
        status = self.twin.run(limit_instructions=self.retired + 1)
        self._compare(rows, END)
        mine = (stop.fault.name, stop.pc, stop.cycle)
        twin = self.twin
        theirs = (twin.fault.name, twin.pc, twin.cycle)
        if stop.fault is Fault.NONE:
            mine, theirs = ("HALTED",), (status.value.upper(),)
        if mine != theirs:
            self._report(min(stop.cycle, twin.cycle), f"twin stops with {theirs}, rtl with {mine}")
        for mcu, count in enumerate(self._counts):
            compare(f"m{mcu}", "at the end, operations", twin.issued(mcu), count)
        words, valid, readers = self.rtl.memory
        for what, rtl, model, axis in (
            ("words", words, twin.memory_words, "address"),
            ("valid", valid, twin.memory.valid, "group"),
            ("readers", readers, twin.memory.readers, "group"),
        ):
            compare("memory", f"at the end, {what}", model, rtl, (axis,))
            self.compared += rtl.size
        for mcu in range(self.rtl.params.mcus):
            self._unit(mcu, None, "at the end")

    # ---- reporting

    def _report(self, cycle: int, what: str) -> None:
        """Raise: the instruction that was going on in ``cycle``, and the ones before."""
        lines = [f"first divergence: cycle {cycle}: {what}, at {self.rtl.time_of(cycle):.0f} ns"]
        lines += [self.line(at, pc, word) for at, pc, word in self._history[-8:]]
        done = self._history[-1] if self._history else None
        if done is None or done[0] < cycle:
            lines.append(f"> after instruction {self.retired}, in the one that follows")
        raise Divergence("\n".join(lines))

    def line(self, cycle: int, pc: int, word: int) -> str:
        """A retired instruction as one line."""
        text = f"  cycle {cycle:8}  pc {pc:4}  {instruction_text(word, self.rtl.params)}"
        if self.program is not None and pc in self.program.source:
            text = f"{text:76} {self.program.where(pc)}"
        return text


def _word(row: NDArray[np.int64]) -> int:
    return int(row[2]) | int(row[3]) << 32


def event_text(event: Event, row: NDArray[np.int64], names: Tracer) -> str:
    """A row of a stream in words."""
    cycle = f"in cycle {row[0]}"
    if event is Event.RETIRE:
        return f"retires pc {row[1]}, word {_word(row):#018x} {cycle}"
    if event is Event.SCALAR:
        return f"writes s{row[1]} = {signed(int(row[2]))} {cycle}"
    words = words_of_row(row)
    if event is Event.VECTOR:
        return f"writes {names.place(int(row[1]))} = {compact(words[: row[2]])} {cycle}"
    flags = "".join((", take" * int(row[4]), ", plain" * int(row[5])))
    return (
        f"asks {MemoryOp(int(row[1])).name} of words {int(row[2]) * LANES}.., mask "
        f"{row[3]:#x}{flags}, readers {row[6]:#x}, {compact(words)} {cycle}"
    )
