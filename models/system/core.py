"""A core at transaction level: the same bits in the same cycles as ``hdl/core``."""

from collections.abc import Container, Sequence
from dataclasses import replace
from enum import Enum, IntEnum
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import ArrayLike, NDArray

from models.analog.array import Array
from models.system import (
    control_status,
    headroom,
    instruction_memory,
    load_store,
    mcu,
    mcu_issue,
    register_file,
    scalar_unit,
    vfu,
)
from models.system import fetch as fetching
from models.system.compiled import compiled
from models.system.control_status import ControlStatus, Register
from models.system.instruction_memory import Column, Do, InstructionMemory, Source
from models.system.load_store import LoadStore, Transfer
from models.system.mcu_issue import McuIssue
from models.system.memory import make_memory, words_of
from models.system.trace import Event, Trace, larger, make_trace, record, stream
from models.system.vector_sequence import carry_out
from panther.arch.checks import check_range
from panther.arch.core import (
    ADDRESS_BITS,
    LANES,
    CoreParams,
    Fault,
    csr_names,
)
from panther.arch.isa import INSTRUCTION_BITS, Function
from panther.arch.mcu import OutBank
from panther.arch.tile import core_counter_names


class Status(Enum):
    """What a core does."""

    HALTED = "halted"
    RUNNING = "running"
    FAULTED = "faulted"


class Outcome(IntEnum):
    """Why the compiled loop came back."""

    LIMIT = 0
    HALTED = 1
    FAULTED = 2
    OPERATED = 3
    """An operation Python has to start, or one that was waited for."""
    TRACE_FULL = 4
    ASKS = 5
    """It offers a request to a memory it shares."""


class Spent(IntEnum):
    """Cycles since the reset."""

    RUNNING = 0
    """Of programs that have come to an end."""
    WAIT_MATRIX = 1
    """In which an instruction waited for matrix units."""
    WAIT_MEMORY = 2
    """In which a request was offered and not taken."""


class Machine(NamedTuple):
    """Every unit of a core."""

    code: InstructionMemory
    fetch: fetching.Fetch
    scalars: scalar_unit.ScalarUnit
    registers: register_file.RegisterFile
    vector_unit: vfu.Vfu
    mcus: mcu.Mcus
    port: load_store.LoadStore
    trace: Trace
    status: ControlStatus
    issue: McuIssue
    spent: NDArray[np.int64]
    """By :class:`Spent`."""


TRACE_ROOM = 4096
"""Rows of a trace that no single instruction fills."""
_FOREVER = (1 << 62) - 1
_SLICE = 1 << 16
"""Instructions after which the compiled loop lets Python see to an interrupt."""


@compiled
def stop_machine(machine, fault, cycle):  # type: ignore[no-untyped-def]
    machine.status.values[Register.FAULT] = fault
    machine.status.values[Register.CYCLE] = cycle
    machine.spent[Spent.RUNNING] += cycle + 1
    return Outcome.FAULTED


@njit(cache=True, inline="always")
def _retire(machine, row, done):  # type: ignore[no-untyped-def]
    pc = machine.fetch.pc[0]
    record(machine.trace, Event.RETIRE, done, pc, row[Column.LOW], row[Column.HIGH])
    row[Column.TIMES] += 1
    row[Column.CYCLES] += done + 1 - machine.status.values[Register.CYCLE]
    machine.status.values[Register.RETIRED] += 1


@compiled
def run_machine(machine, until_cycle, until_retired, targets):  # type: ignore[no-untyped-def]
    """Carry out instructions until there is something for Python to do."""
    state = machine.status.values
    fetch = machine.fetch
    scalars = machine.scalars
    mcus = machine.mcus
    trace = machine.trace
    rows = machine.code.rows
    memory_words = machine.port.memory.groups.shape[0] * LANES
    while True:
        done = machine.port.transfer[Transfer.DONE]
        if done >= 0:  # all that the shared memory had to take is taken
            machine.port.transfer[Transfer.DONE] = -1
            _retire(machine, rows[fetch.pc[0]], done)
            state[Register.CYCLE] = done + 1
            fetching.go_on(fetch, fetch.pc[0] + 1)
        cycle = state[Register.CYCLE]
        if cycle >= until_cycle or state[Register.RETIRED] >= until_retired:
            return Outcome.LIMIT
        if trace.rows.shape[0] and trace.rows.shape[0] - trace.used[0] < TRACE_ROOM:
            return Outcome.TRACE_FULL
        pc = fetch.pc[0]
        if pc >= rows.shape[0]:
            return stop_machine(machine, Fault.PC, cycle)
        row = rows[pc]
        first = cycle + 1
        fault = row[Column.FAULT]
        if fault:
            return stop_machine(machine, fault, cycle if fault <= Fault.ILLEGAL else first)

        # checks
        do = row[Column.DO]
        function = row[Column.FUNCTION]
        a = scalars.values[row[Column.SA]]
        value = row[Column.VALUE]
        if row[Column.SOURCE] == Source.SCALAR:
            value = scalars.values[row[Column.SB]]
        if Do.LOAD <= do <= Do.RELEASE:
            value += a
            fault = load_store.fault(row, value, memory_words)
        elif do == Do.LOOP:
            if value > 0 and not fetching.enter(fetch, pc + 1, row[Column.TARGET], value):
                fault = np.int64(Fault.LOOP_DEPTH)
        elif do == Do.VECTOR and function == Function.DIV and value == 0:
            fault = np.int64(Fault.DIVISION)
        if fault:
            return stop_machine(machine, fault, first)

        # waits
        now = mcu_issue.free(mcus, row, first) if row[Column.WAITS] else first
        patience = state[Register.WATCHDOG] - (now - first)
        if patience < 0:
            machine.spent[Spent.WAIT_MATRIX] += now + patience + 1 - first
            return stop_machine(machine, Fault.WATCHDOG, now + patience)

        machine.spent[Spent.WAIT_MATRIX] += now - first

        # does
        done = now
        following = pc + 1
        jumps = False
        outcome = -1
        if Do.VECTOR <= do <= Do.REDUCE:
            done = carry_out(
                machine.registers, machine.vector_unit, scalars, row, value, trace, now
            )
        elif do == Do.SCALAR:
            result = scalar_unit.compute(function, a, value)
            scalar_unit.write(scalars, row[Column.D], result, trace, now)
        elif do == Do.SET:
            scalar_unit.write(scalars, row[Column.D], value, trace, now)
        elif do == Do.BRANCH:
            if scalar_unit.holds(function, a, value):
                jumps = True
        elif do == Do.JUMP:
            jumps = True
        elif do == Do.LOOP:
            if value <= 0:
                following = row[Column.TARGET]
        elif Do.LOAD <= do <= Do.RELEASE:
            load_store.begin(machine.port, machine.registers, row, value, patience, now)
            if machine.port.settings[2]:
                return Outcome.ASKS
            done = load_store.carry_out(machine.port, machine.registers, trace)
        elif do == Do.OPERATE:
            if mcu_issue.issue(machine.issue, mcus, value, trace, now):
                outcome = Outcome.OPERATED
            for m in range(targets.shape[0]):
                if machine.issue.issued[m] >= targets[m]:
                    outcome = Outcome.OPERATED
        elif do == Do.CONFIGURE:
            if not mcu.configure(mcus, row[Column.A], row[Column.KEY], value):
                return stop_machine(machine, Fault.CONFIG, now)
        elif do == Do.READ_CSR:
            result = control_status.read(
                machine.status, machine.vector_unit, mcus, row[Column.KEY], now
            )
            scalar_unit.write(scalars, row[Column.D], result, trace, now)
        elif do == Do.WRITE_CSR:
            control_status.write(machine.status, machine.vector_unit, row[Column.KEY], value)
        elif do == Do.HALT:
            outcome = Outcome.HALTED
        if done < 0:
            return stop_machine(machine, Fault.WATCHDOG, ~done)

        _retire(machine, row, done)
        if outcome == Outcome.HALTED:
            machine.spent[Spent.RUNNING] += done + 1
            state[Register.CYCLE] = done
            fetching.go_on(fetch, following)
            return outcome
        state[Register.CYCLE] = done + 1
        if jumps:
            fetching.jump(fetch, row[Column.TARGET])
        else:
            fetching.go_on(fetch, following)
        if outcome >= 0:
            return outcome


class Core:
    """One core with its memory.

    Uninitialised registers and words of the memory are 0, and all of the memory is free. A word
    that nobody is going to store, or a group that nobody is going to take, lets an instruction wait
    until the watchdog stops it, for nobody else works on this memory.

    Parameters
    ----------
    params
        The core.
    arrays
        The analog arrays of each matrix unit.
    port
        To a memory that it shares with others: they take its requests. As reader 0 to a memory of
        its own if left out.
    trace
        Whether events are recorded.
    """

    def __init__(
        self,
        params: CoreParams,
        arrays: Sequence[Array],
        *,
        port: LoadStore | None = None,
        trace: bool = False,
    ) -> None:
        if len(arrays) != params.mcus:
            raise ValueError(f"Arrays must be {params.mcus}, one for each MCU, not {len(arrays)}")
        if port is None:
            port = load_store.make_load_store(params, make_memory(params.memory_words), 0)
        self.params = params
        self.arrays = tuple(arrays)
        self.memory = port.memory
        """Words, valid bits and readers, to read and write."""
        self.status = Status.HALTED
        registers = register_file.make_register_file()
        mcus = mcu.make_mcus(params, self.arrays)
        self.machine = Machine(
            code=instruction_memory.load(params, np.zeros(0, np.uint64)),
            fetch=fetching.make_fetch(),
            scalars=scalar_unit.make_scalar_unit(),
            registers=registers,
            vector_unit=vfu.make_vfu(),
            mcus=mcus._replace(
                xbar_in=register_file.xbar_in(registers, params),
                xbar_out=register_file.xbar_out(registers, params),
            ),
            port=port,
            trace=make_trace(TRACE_ROOM if trace else 0),
            status=control_status.make_control_status(),
            issue=mcu_issue.make_mcu_issue(params.mcus),
            spent=np.zeros(len(Spent), np.int64),
        )
        # of programs that have been overwritten
        self._work_before = np.zeros_like(instruction_memory.work_of(self.machine.code.rows))

    # ---- what a host does

    def load(self, words: ArrayLike, bad_parity: Container[int] = ()) -> None:
        """Load a program from address 0 on; the rest of the instruction memory is illegal."""
        code = instruction_memory.load(self.params, np.asarray(words, np.uint64), bad_parity)
        self._work_before += instruction_memory.work_of(self.machine.code.rows)
        self.machine = self.machine._replace(code=code)

    def load_memory(self, address: int, words: ArrayLike) -> None:
        """Store words plainly: their groups become valid, without readers."""
        values = np.asarray(words, np.int16)
        check_range("Address", address, 0, self.params.memory_words - values.size)
        self.memory_words[address : address + values.size] = values
        groups = slice(address // LANES, (address + values.size + LANES - 1) // LANES)
        self.memory.valid[groups] = True
        self.memory.readers[groups] = 0

    def start(self, pc: int = 0) -> None:
        """Begin at ``pc`` with cycle 0: matrix units idle, no loop, nothing retired.

        All registers stay as they are.
        """
        check_range("Address", pc, 0, (1 << ADDRESS_BITS) - 1)
        machine = self.machine
        control_status.clear(machine.status)
        machine.fetch.pc[0] = pc
        machine.fetch.depth[0] = 0
        machine.issue.issued[:] = 0
        machine.port.transfer[[Transfer.ACTIVE, Transfer.DONE]] = 0, -1
        for cycles in (machine.mcus.in_free, machine.mcus.out_free, machine.mcus.free):
            cycles[:] = 0
        self.status = Status.RUNNING

    def run(
        self,
        *,
        limit_cycles: int | None = None,
        limit_instructions: int | None = None,
        until_operation: tuple[int, int] | None = None,
    ) -> Status:
        """Carry out whole instructions, if the core runs, until it stops or one of the limits.

        Parameters
        ----------
        limit_cycles
            Go on while the next instruction begins before this cycle.
        limit_instructions
            Go on while fewer instructions than this have retired since the start.
        until_operation
            Matrix unit m and k: go on until the instruction is done that gives unit m its k-th
            operation since the start.
        """
        until_cycle = _FOREVER if limit_cycles is None else limit_cycles
        until_retired = _FOREVER if limit_instructions is None else limit_instructions
        machine = self.machine
        targets = np.full(self.params.mcus, _FOREVER)
        if until_operation is not None:
            check_range("MCU", until_operation[0], 0, self.params.mcus - 1)
            targets[until_operation[0]] = until_operation[1]
        while self.status is Status.RUNNING and not (machine.issue.issued >= targets).any():
            retired = min(until_retired, self.retired + _SLICE)
            outcome = run_machine(machine, until_cycle, retired, targets)
            if outcome == Outcome.HALTED:
                self.status = Status.HALTED
            elif outcome == Outcome.FAULTED:
                self.status = Status.FAULTED
            elif outcome in (Outcome.OPERATED, Outcome.TRACE_FULL):
                self.attend()
                machine = self.machine
            elif self.cycle >= until_cycle or self.retired >= until_retired:
                break
        return self.status

    def attend(self) -> None:
        """See to what compiled code cannot do: start operations, make room for events."""
        machine = self.machine
        # the instruction has retired in the cycle in which it set off
        now = self.cycle - 1
        mcu_issue.issue_outside(machine.issue, machine.mcus, self.arrays, machine.trace, now)
        trace = machine.trace
        if trace.rows.shape[0] and trace.rows.shape[0] - trace.used[0] < TRACE_ROOM:
            self.machine = machine._replace(trace=larger(trace, TRACE_ROOM))

    def execute(self, word: int) -> int:
        """Carry out an instruction that is not in the program, between two that are.

        The core has stopped, or :meth:`run` has come to a limit, which is what a core that is held
        is. Its clock stands still: pc, loops, cycle, retired, fault and trace stay as they are,
        while its units go on for as long as the instruction takes. A transfer has the memory to
        itself.

        Parameters
        ----------
        word
            Any instruction but control flow, which is illegal here.

        Returns
        -------
        int
            What was last written to a scalar register, signed, register 0 included.

        Raises
        ------
        ValueError
            If the instruction does not retire, with the fault.
        """
        check_range("Word", word, 0, (1 << INSTRUCTION_BITS) - 1)
        machine, params = self.machine, self.params
        code = instruction_memory.load(replace(params, instructions=2), np.array([word], np.uint64))
        if code.rows[0, Column.DO] in (Do.HALT, Do.JUMP, Do.BRANCH, Do.LOOP):
            code.rows[0, Column.FAULT] = Fault.ILLEGAL
        # a program of this one instruction, on the same registers
        status = ControlStatus(machine.status.values.copy())
        # what csr `cycle` reads: a core that stopped has counted its last cycle, too
        stopped = self.status is Status.FAULTED or (self.status is Status.HALTED and self.cycle > 0)
        status.values[Register.CYCLE] += stopped - 1
        begin = int(status.values[Register.CYCLE])
        reader = int(machine.port.settings[0])
        only = machine._replace(
            code=code,
            fetch=fetching.make_fetch(),
            port=load_store.make_load_store(params, self.memory, reader),
            trace=make_trace(0),
            status=status,
            spent=np.zeros_like(machine.spent),
        )
        targets = np.full(params.mcus, _FOREVER)
        outcome = run_machine(only, _FOREVER, self.retired + 1, targets)
        if outcome == Outcome.OPERATED:
            now = int(status.values[Register.CYCLE]) - 1
            mcu_issue.issue_outside(only.issue, only.mcus, self.arrays, only.trace, now)
        faulted = outcome == Outcome.FAULTED
        elapsed = int(status.values[Register.CYCLE]) + faulted - begin
        for cycles in (only.mcus.in_free, only.mcus.out_free, only.mcus.free):
            cycles -= elapsed
        if faulted:
            fault = Fault(int(status.values[Register.FAULT]))
            raise ValueError(
                f"Instruction must be one that retires, not {word:#018x}: {fault.name}"
            )
        machine.status.values[Register.WATCHDOG] = status.values[Register.WATCHDOG]
        return self.scalar

    # ---- what can be seen

    @property
    def cycle(self) -> int:
        """The cycle in which the next instruction begins, or in which the core stopped."""
        return int(self.machine.status.values[Register.CYCLE])

    @property
    def retired(self) -> int:
        """Instructions retired since the start."""
        return int(self.machine.status.values[Register.RETIRED])

    @property
    def profile(self) -> NDArray[np.int64]:
        """Of each instruction of the program, since it was loaded: times it retired, and cycles
        from its D to there, waiting included; shape (instructions, 2).
        """
        return instruction_memory.profile_of(self.machine.code.rows)

    @property
    def pc(self) -> int:
        """Address of the next instruction, or of the one that stopped the core."""
        return int(self.machine.fetch.pc[0])

    @property
    def fault(self) -> Fault:
        """Why the core stopped, if it did."""
        return Fault(int(self.machine.status.values[Register.FAULT]))

    @property
    def scalars(self) -> NDArray[np.int64]:
        """The scalar registers, signed."""
        return self.machine.scalars.values.copy()

    @property
    def scalar(self) -> int:
        """What was last written to a scalar register, signed, register 0 included."""
        return int(self.machine.scalars.last[0])

    @property
    def registers(self) -> NDArray[np.int16]:
        """The register file by address, to read and write."""
        return self.machine.registers.words

    @property
    def memory_words(self) -> NDArray[np.int16]:
        """The memory's words, to read and write; their groups' state stays."""
        return words_of(self.memory)

    def xbar_out(self, m: int, bank: OutBank) -> NDArray[np.int16]:
        """Results of a matrix unit."""
        first = self.params.xbar_out(m, bank)
        return self.registers[first : first + self.params.out_lines(bank)].copy()

    def cells(self, m: int) -> NDArray[np.int16]:
        """Cells of a matrix unit, shape (slices, rows, columns)."""
        return self.arrays[m].cells

    def program_row(self, m: int, row: int, cells: NDArray[np.int16]) -> None:
        """Write a row of cells of a matrix unit that is idle, shape (columns, slices)."""
        self.arrays[m].program(row, cells)
        headroom.forget(self.machine.mcus, m, row)

    def csr(self, key: int) -> int:
        """A control register, as ``csrr`` would read it, but unsigned."""
        if key not in csr_names(self.params).values():
            raise ValueError(f"Control register must exist, not {key}")
        machine = self.machine
        return int(
            control_status.read(machine.status, machine.vector_unit, machine.mcus, key, self.cycle)
        )

    def activity(self) -> dict[str, int]:
        """Performance counters since the reset, by :func:`panther.arch.tile.core_counter_names`.

        Those of the core leave out what :meth:`execute` has done. ``running`` counts programs that
        have come to an end.
        """
        machine = self.machine
        mcus = machine.mcus
        units = np.column_stack([mcus.busy, mcus.activity])
        work = self._work_before + instruction_memory.work_of(machine.code.rows)
        values = np.concatenate([machine.spent, work, units.ravel()])
        names = core_counter_names(self.params)
        return {name: n & 0xFFFFFFFF for name, n in zip(names, values.tolist(), strict=True)}

    def issued(self, m: int) -> int:
        """Operations a matrix unit was given since the start."""
        return int(self.machine.issue.issued[m])

    def events(self, event: Event) -> NDArray[np.int64]:
        """What was recorded of a stream, a row each, in the order of their cycles."""
        return stream(self.machine.trace, event)

    def forget_events(self) -> None:
        """Empty the trace."""
        self.machine.trace.used[0] = 0
