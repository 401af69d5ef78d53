"""What a program does in RTL, put together from the core's trace; its testbenches share this."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cocotb_tests.compare import Divergence, compare
from cocotb_tests.core_driver import CoreDriver, Stop
from cocotb_tests.expectations import Given, Outcome, given_nothing, saturation_counters
from cocotb_tests.lockstep import Lockstep
from cocotb_tests.program_run import Rig
from cocotb_tests.program_trace import STREAMS, signed, words_of_row
from cocotb_tests.random_programs import Case
from models.analog.array import Array, IdealArray
from models.system.core import Core
from models.system.trace import WIDTHS, Event
from panther.arch.core import ADDRESS_BITS, SCALARS, CoreParams, Fault
from panther.arch.isa import decode
from panther.arch.mcu import InBank, Operation, OutBank
from panther.asm import Program, assemble_text
from panther.asm.names import bank_name

HISTORY = 8
"""Instructions shown before a divergence."""


class WatchedDriver(CoreDriver):
    """A driver that remembers what the core has written and done since :meth:`watch`."""

    def __init__(self, core: Any, params: CoreParams, arrays: Sequence[Array]) -> None:
        super().__init__(core, params, arrays)
        self.on_events: Callable[[Mapping[Event, NDArray[np.int64]]], None] = lambda events: None
        """Called with what was traced since the last call."""
        self.watch()

    def watch(self) -> None:
        """Begin anew: every register is 0."""
        self.scalars = np.zeros(SCALARS, np.int64)
        self.registers = np.zeros(1 << ADDRESS_BITS, np.int16)
        self.retired = 0
        self.last: list[tuple[int, int, int]] = []
        """Cycle, pc and word of the instructions that retired last."""
        self.operations: list[tuple[int, Operation, int]] = []
        """Unit, operation and its cycles, of all that are done."""
        self._begun: list[list[tuple[int, int, tuple[int, int, int]]]] = [
            [] for _ in range(self.params.mcus)
        ]
        self._new: dict[Event, list[NDArray[np.int64]]] = {event: [] for event in STREAMS}

    def take(self, event: Event) -> NDArray[np.int64]:
        rows = super().take(event)
        self._new[event].append(rows)
        if event is Event.RETIRE:
            self.retired += len(rows)
            new = [(cycle, pc, low | high << 32) for cycle, pc, low, high in rows.tolist()]
            self.last = (self.last + new)[-HISTORY:]
            for done in new:
                self._note_begun(done)
        elif event is Event.SCALAR:
            for _, register, value in rows.tolist():
                self.scalars[register] = signed(value)
        elif event is Event.VECTOR:
            for row in rows:
                first, count = int(row[1]), int(row[2])
                self.registers[first : first + count] = words_of_row(row)[:count]
        return rows

    def began(self, mcu: int, number: int) -> tuple[int, int, int] | None:
        """Cycle, pc and word of the instruction that gave a unit its operation, from 1 on."""
        return next(
            (done for first, last, done in self._begun[mcu] if first < number <= last), None
        )

    def _note_begun(self, done: tuple[int, int, int]) -> None:
        found = decode(done[2])
        if found is None or found[0].mnemonic not in ("mcu", "crs"):
            return
        for mcu, begun in enumerate(self._begun):
            bits = found[1].get("operations", 0) >> 3 * mcu & 7 | found[1].get("mcus", 0) >> mcu & 1
            if bits:
                first = begun[-1][1] if begun else 0
                begun.append((first, first + bits.bit_count(), done))

    def catch_up(self) -> None:
        """Take whatever nobody has taken yet."""
        for event in STREAMS:
            self.take(event)

    def flush(self) -> None:
        """Hand what was taken to :attr:`on_events`."""
        empty = {event: np.zeros((0, WIDTHS[event]), np.int64) for event in STREAMS}
        events = {event: np.concatenate([empty[event], *self._new[event]]) for event in STREAMS}
        self._new = {event: [] for event in STREAMS}
        self.on_events(events)

    async def run(self, *, on_operation=None, on_trace=None, **options) -> Stop:  # type: ignore[no-untyped-def]
        def see_operation(mcu: int, operation: Operation) -> None:
            self.operations.append((mcu, operation, self.operation_cycles(mcu)))
            if on_operation is not None:
                on_operation(mcu, operation)

        def see_trace() -> None:
            (on_trace or self.catch_up)()
            self.flush()

        return await super().run(on_operation=see_operation, on_trace=see_trace, **options)


@dataclass(frozen=True, kw_only=True)
class ProgramCase(Case):
    """A program that starts from what is given, for a :class:`Rig`."""

    given_cells: Sequence[NDArray[np.int16]] = field(repr=False)

    def cells(self, mcu: Any, units: int) -> list[NDArray[np.int16]]:
        return [cells.copy() for cells in self.given_cells]


class ProgramRig(Rig):
    """A rig for programs that run once, from given contents, and whose outcome is seen.

    Everything not given is 0 only in the first run of a simulation, or after :meth:`wipe`.
    """

    async def prepare(self, case: Case, arrays: Sequence[Array] | None = None) -> Lockstep:
        if self._driver is None:
            ideal = [IdealArray(self.params.mcu) for _ in range(self.params.mcus)]
            self._driver = WatchedDriver(self.dut.core0, self.params, ideal)
        lockstep = await super().prepare(case, arrays)
        self.driver.watch()
        return lockstep

    @property
    def driver(self) -> WatchedDriver:
        """Of the run prepared last."""
        assert isinstance(self._driver, WatchedDriver)
        return self._driver

    async def wipe(self) -> None:
        """Set every register and every word of XbarIn and XbarOut to 0."""
        words = assemble_text(_wipe_text(self.params), self.params).words
        await self.prepare(_case(words, given_nothing(self.params)))
        stop = await self.driver.run()
        assert stop.fault is Fault.NONE, f"wiping must halt, not stop with {stop}"

    async def run_program(
        self,
        program: Program | Sequence[int],
        given: Given,
        *,
        limit: int,
        arrays: Sequence[Array] | None = None,
        compare_with_twin: bool = True,
        watch: Callable[[Lockstep], None] = lambda lockstep: None,
    ) -> Outcome:
        """Run a program to its end, or for ``limit`` cycles.

        Parameters
        ----------
        program
            A program, or its words.
        given
            What it starts from.
        limit
            Cycles after which to give up.
        arrays
            The array models behind the units; ideal ones if left out.
        compare_with_twin
            Whether it runs in lockstep with the twin.
        watch
            Called before the start.

        Raises
        ------
        Divergence
            At the first difference, with the instructions that retired last.
        """
        source = program if isinstance(program, Program) else None
        words = tuple(program) if source is None else source.words
        lockstep = await self.prepare(_case(words, given), arrays)
        lockstep.program = source
        watch(lockstep)
        try:
            if compare_with_twin:
                stop = await lockstep.run(limit=limit)
            else:
                stop = await self.driver.run(limit=limit)
        except Divergence as divergence:
            raise Divergence(self._explained(lockstep, str(divergence))) from None
        self.compared += lockstep.compared
        return self._outcome(stop, limit, lockstep.twin.pc if compare_with_twin else None)

    def _explained(self, lockstep: Lockstep, report: str) -> str:
        """A divergence with the instruction behind it and those before, if it does not have them
        already.
        """
        rtl = self.driver
        rtl.catch_up()
        rtl.flush()
        lines = [report]
        if "\n" not in report:
            lines += [lockstep.line(*done) for done in rtl.last]
        where = re.match(r"first divergence: m(\d+), operation (\d+)", report)
        if where and (began := rtl.began(int(where[1]), int(where[2]))) is not None:
            lines += ["the operation was begun by", lockstep.line(*began)]
        return "\n".join(lines)

    def _outcome(self, stop: Stop, limit: int, next_pc: int | None) -> Outcome:
        rtl, params = self.driver, self.params
        words, valid, readers = rtl.memory
        registers = rtl.registers.copy()
        for m in range(params.mcus):
            for bank in OutBank:
                first = params.xbar_out(m, bank)
                registers[first : first + params.out_lines(bank)] = rtl.xbar_out(m, bank)
        cycle, pc = stop.cycle, stop.pc
        if stop.running:
            cycle, pc = limit, rtl.last[-1][1] if next_pc is None and rtl.last else next_pc or 0
        elif stop.fault is Fault.NONE:
            cycle, pc, _ = rtl.last[-1]
        return Outcome(
            fault=stop.fault, running=stop.running, pc=pc, cycle=cycle, retired=rtl.retired,
            scalars=rtl.scalars.copy(), registers=registers, memory=words.copy(),
            valid=valid.copy(), readers=readers.copy(),
            cells=[array.cells.copy() for array in rtl.arrays],
        )  # fmt: skip

    async def counters(self, twin: Core | None) -> dict[str, int]:
        """Saturation counters of a core that has stopped, read by a program; the twin's must be
        the same.
        """
        rtl = self.driver
        names = saturation_counters(self.params)
        reads = "".join(f"csrr s1, {name}\n" for name in names)
        await rtl.load(assemble_text(f"{reads}hlt", self.params).words)
        rtl.forget()
        await CoreDriver.run(rtl)
        values = [int(value) for value in CoreDriver.take(rtl, Event.SCALAR)[:, 2]]
        found = dict(zip(names, values, strict=True))
        if twin is not None:
            for name, number in names.items():
                compare("counters", name, twin.csr(number), found[name])
                self.compared += 1
        return found


def _case(words: Sequence[int], given: Given) -> ProgramCase:
    return ProgramCase(
        generator="program", seed=0, core="", words=tuple(words), bad_parity=given.parity,
        memory=tuple(given.memory.tolist()), valid=tuple(given.valid.tolist()),
        readers=tuple(given.readers.tolist()), given_cells=given.cells,
    )  # fmt: skip


def _wipe_text(params: CoreParams) -> str:
    lines = [f"sset s{n}, 0" for n in range(1, SCALARS)]
    for first in range(0, params.registers, 1000):
        lines.append(f"vset r{first}, 0, {min(1000, params.registers - first)}")
    for m in range(params.mcus):
        for bank in InBank:
            lines.append(f"vset m{m}.{bank_name(bank)}, 0, {params.in_lines(bank)}")
    units = ", ".join(f"m{m}:mvm+mtvm" for m in range(params.mcus))
    return "\n".join([*lines, f"mcu {units}", "hlt"])
