"""Core: runs a program on its registers, its vector unit and its matrix units."""

from amaranth import Cat, Module, Mux, Signal, signed, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.analog import ArraySignature
from hdl.core.control_status import VALUE_BITS, ControlStatus
from hdl.core.decoder import NUMBER, Decoder, decoded_layout
from hdl.core.fetch import Fetch
from hdl.core.instruction_memory import InstructionMemory
from hdl.core.load_store import LoadStore
from hdl.core.mcu_issue import McuIssue
from hdl.core.register_file import COUNT_BITS, LENGTH_BITS, WORDS, RegisterFile
from hdl.core.scalar_unit import SCALAR_BITS, ScalarUnit
from hdl.core.vector_sequence import VectorSequence
from hdl.core.vfu import Vfu
from hdl.mcu.mcu import Mcu, mcu_events_layout
from panther.arch.core import (
    ADDRESS_BITS,
    FAULT_BITS,
    LANES,
    MAX_MCUS,
    SCALARS,
    CoreParams,
    Fault,
    MemoryOp,
)
from panther.arch.isa import INSTRUCTION_BITS, WORK, Function, work


def core_events_layout() -> data.StructLayout:
    """Of ``panther.arch.tile.CORE_COUNTERS`` those an instruction brings, and how many of each."""
    return data.StructLayout(
        {
            "instructions": unsigned(1),
            "words_read": unsigned(LENGTH_BITS + 1),
            "words_written": unsigned(LENGTH_BITS),
            **dict.fromkeys(WORK, decoded_layout()["len"].shape),
        }
    )


class RetireSignature(wiring.Signature):
    """What a core did in this cycle, for whoever compares it with a model.

    Members
    -------
    valid, pc, word : Out(1), Out(14), Out(64)
        An instruction of the program is done.
    cycle : Out(32)
        Cycles since the start.
    scalar, scalar_index, scalar_value : Out(1), Out(5), Out(32)
        A scalar register is written.
    vector, vector_address, vector_count, vector_words : Out(1), Out(13), Out(3), Out(64)
        Words of the register file are written.
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "valid": Out(1),
                "pc": Out(unsigned(ADDRESS_BITS + 1)),
                "word": Out(unsigned(INSTRUCTION_BITS)),
                "cycle": Out(unsigned(VALUE_BITS)),
                "scalar": Out(1),
                "scalar_index": Out(unsigned((SCALARS - 1).bit_length())),
                "scalar_value": Out(unsigned(SCALAR_BITS)),
                "vector": Out(1),
                "vector_address": Out(unsigned(ADDRESS_BITS)),
                "vector_count": Out(unsigned(COUNT_BITS)),
                "vector_words": Out(WORDS),
            }
        )


class Core(wiring.Component):
    """One instruction at a time, in order; matrix units go on in the background.

    ``docs/core.md`` says what happens in which cycle. Cycle 0 is the first one it runs. A core
    that has halted or stopped for a fault keeps its registers and may be started again; so may one
    that is held, which then forgets what it was doing.

    Parameters
    ----------
    params : CoreParams
        Everything about the core.
    retire : bool
        Whether it has a retire port.

    Members
    -------
    i_program : In(stream.Signature({"address": 13, "word": 64, "invert": 1}))
        Words of the program; while the core does not run.
    start, start_pc : In(1), In(13)
        Begin at an address; while the core does not run. It begins in the next cycle, or as soon as
        every matrix unit is idle and every answer of the memory has come.
    starting : Out(1)
        It waits for that.
    hold : In(1)
        Stop before the next instruction of the program, the first one included, and go on when it
        is low.
    held : Out(1)
        It is stopped there: it does not run, and counts no cycles.
    step : In(1)
        Do one instruction; while held.
    running : Out(1)
        It carries out instructions of the program.
    i_execute : In(stream.Signature(64))
        Instructions to carry out while it does not run, as if they were fetched, but for control
        flow, which is illegal. They change neither pc, loops and counts nor ``fault``. One is done
        when it is ready for the next; a start, hold and step wait for that.
    execute_busy : Out(1)
        One is being carried out.
    execute_fault : Out(4)
        Why the last one taken did not retire.
    scalar : Out(32)
        What was last written to a scalar register, register 0 included.
    cycle : Out(32)
        Cycles since the start in which it has run.
    pc : Out(14)
        Address of the present instruction of the program, or of the next one when it is held or
        has halted.
    wait_matrix : Out(1)
        In this cycle an instruction waits in X for matrix units.
    mcu_busy : Out(mcus)
        ``busy`` of each unit.
    events : Out(core_events_layout())
        What the instruction of the program has done that has retired in the cycle before.
    mcu_events : Out(mcu_events_layout()).array(mcus)
        ``events`` of each unit, in this cycle.
    fault, fault_pc, fault_cycle : Out(4), Out(14), Out(32)
        Why, where and in which cycle it stopped; ``Fault.NONE`` if it halted.
    o_memory, i_memory
        Requests to the memory and its answers; see ``LoadStore``.
    host_mcu : In(3)
        Matrix unit the host's ports below reach, while the core does not run.
    i_command, i_config, i_cells, i_cells_read, o_cells
        Ports of that unit; see ``Mcu``.
    host_busy, host_rejected : Out(1)
        That unit's ``busy`` and ``rejected``.
    array : Array of Out(ArraySignature(params.mcu))
        The analog arrays of each unit.
    retire : Out(RetireSignature())
        Absent by default.
    """

    i_program: stream.Interface
    i_execute: stream.Interface
    o_memory: stream.Interface
    i_memory: stream.Interface

    def __init__(self, params: CoreParams, *, retire: bool = False) -> None:
        params.check_rtl()
        self.params = params
        self.has_retire = retire
        self.memory = InstructionMemory(params)
        self.load_store = LoadStore(params)
        self.units = [Mcu(params.mcu) for _ in range(params.mcus)]
        unit = self.units[0].signature.members
        ports = ("i_command", "i_config", "i_cells", "i_cells_read", "o_cells")
        members = {
            "i_program": self.memory.signature.members["i"],
            "start": In(1),
            "start_pc": In(unsigned(ADDRESS_BITS)),
            "starting": Out(1),
            "hold": In(1),
            "held": Out(1),
            "step": In(1),
            "running": Out(1),
            "i_execute": In(stream.Signature(unsigned(INSTRUCTION_BITS))),
            "execute_busy": Out(1),
            "execute_fault": Out(unsigned(FAULT_BITS)),
            "scalar": Out(unsigned(SCALAR_BITS)),
            "cycle": Out(unsigned(VALUE_BITS)),
            "pc": Out(unsigned(ADDRESS_BITS + 1)),
            "wait_matrix": Out(1),
            "mcu_busy": Out(unsigned(params.mcus)),
            "events": Out(core_events_layout()),
            "mcu_events": Out(mcu_events_layout()).array(params.mcus),
            "fault": Out(unsigned(FAULT_BITS)),
            "fault_pc": Out(unsigned(ADDRESS_BITS + 1)),
            "fault_cycle": Out(unsigned(VALUE_BITS)),
            "o_memory": self.load_store.signature.members["o_memory"],
            "i_memory": self.load_store.signature.members["i_memory"],
            "host_mcu": In(unsigned((MAX_MCUS - 1).bit_length())),
            **{name: unit[name] for name in ports},
            "host_busy": Out(1),
            "host_rejected": Out(1),
            "array": Out(ArraySignature(params.mcu)).array(params.mcus),
        }
        if retire:
            members["retire"] = Out(RetireSignature())
        super().__init__(members)

    def elaborate(self, platform) -> Module:
        m = Module()
        params = self.params
        m.submodules.instruction_memory = memory = self.memory
        m.submodules.fetch = fetch = Fetch()
        m.submodules.decoder = decoder = Decoder()
        m.submodules.scalar_unit = scalars = ScalarUnit()
        m.submodules.register_file = registers = RegisterFile(params)
        m.submodules.vector_sequence = sequence = VectorSequence()
        m.submodules.vfu = vfu = Vfu()
        m.submodules.load_store = load_store = self.load_store
        m.submodules.mcu_issue = issue = McuIssue(params)
        m.submodules.control_status = control = ControlStatus(params)
        wiring.connect(m, wiring.flipped(self.i_program), memory.i)
        wiring.connect(m, load_store.o_memory, wiring.flipped(self.o_memory))
        wiring.connect(m, wiring.flipped(self.i_memory), load_store.i_memory)

        # D: what the word says, kept for the cycles after
        decoded = decoder.decoded
        now = Signal(decoded_layout())
        # active: in D, X or what follows; executing: with an instruction of the host
        active, executing = Signal(), Signal()
        given = Signal(INSTRUCTION_BITS)
        m.d.comb += [
            self.running.eq(active & ~executing),
            self.execute_busy.eq(active & executing),
            decoder.word.eq(Mux(executing, given, memory.word)),
            # absent fields are 0: at most one of the two is not
            scalars.index_a.eq(decoded.sa | decoded.base),
            scalars.index_b.eq(decoded.sb),
        ]

        # X: what is checked and what is waited for
        def is_one_of(*names):  # type: ignore[no-untyped-def]
            return Cat(now.number == NUMBER[name] for name in names).any()

        end = Signal(ADDRESS_BITS)
        is_loop = is_one_of("loop", "loops")
        is_mcfg = is_one_of("mcfg")
        length = Signal(len(registers.length))
        operand = Signal(signed(SCALAR_BITS))
        named = Signal(MAX_MCUS)
        m.d.comb += [
            end.eq(now.end | now.target),
            fetch.count.eq(Mux(now.has_count, now.count, scalars.b)),
            fetch.target.eq(end),
            length.eq(Mux(now.has_rows, now.len * now.rows, now.len)),
            registers.d.eq(now.d),
            registers.a.eq(now.a),
            registers.b.eq(now.b),
            registers.has_d.eq(now.has_d),
            registers.has_a.eq(now.has_a),
            registers.has_b.eq(now.has_b),
            registers.length.eq(length),
            registers.in_use.eq(issue.in_use),
            registers.out_use.eq(issue.out_use),
            operand.eq(Mux(now.has_sb, scalars.b, now.imm)),
            control.id.eq(now.id),
            control.value.eq(now.value),
            control.writing.eq(~now.has_sd),
        ]
        for mcu in range(MAX_MCUS):
            m.d.comb += named[mcu].eq(
                now.operations[3 * mcu : 3 * mcu + 3].any()
                | now.mcus[mcu]
                | (is_mcfg & (now.mcu == mcu))
            )
        is_hlt = is_one_of("hlt")
        refused, checked = Signal(), Signal()
        busy_units = ~issue.idle
        waits = Signal()
        m.d.comb += waits.eq(
            registers.locked
            | (named[: params.mcus] & busy_units).any()
            | (is_hlt & busy_units.any())
            | (now.has_id & control.of_unit & busy_units.bit_select(control.unit, 1))
        )
        faults = {
            Fault.LOOP_RANGE: is_loop & ((end <= fetch.pc + 1) | (end > params.instructions)),
            Fault.LOOP_DEPTH: fetch.full,
            Fault.REGISTER: registers.bad,
            Fault.OVERLAP: registers.overlap,
            Fault.MEMORY: now.unit_memory & load_store.outside,
            Fault.ALIGNMENT: now.unit_memory & load_store.misaligned,
            Fault.MASK: (named >> params.mcus).any() if params.mcus < MAX_MCUS else 0,
            Fault.CONFIG: refused,
            Fault.DIVISION: (now.lane == Function.DIV) & (operand == 0),
            Fault.CSR: now.has_id & control.bad,
        }
        cause = Signal(FAULT_BITS)
        waited = Signal(VALUE_BITS)
        starting, starting_pc = self.starting, Signal(ADDRESS_BITS)
        stop, retire, waiting = Signal(), Signal(), Signal()
        resume = Signal()
        m.d.comb += [stop.eq(cause != 0), load_store.stop.eq(stop)]
        with m.If(waiting):
            m.d.sync += waited.eq(waited + 1)
            with m.If(waited == control.watchdog):
                m.d.comb += cause.eq(Fault.WATCHDOG)

        # midway: the program is not over while an instruction of the host is carried out
        midway, stepping = Signal(), Signal()

        def stopped() -> None:
            m.next = "HALTED"
            with m.If(executing & midway):
                m.next = "HELD"

        def retired() -> None:
            m.d.comb += retire.eq(1)
            with m.If(executing):
                stopped()
            with m.Elif(self.hold):
                m.next = "HELD"
            with m.Else():
                m.next = "D"

        def begin() -> None:
            m.next = "HALTED"
            # what the host or an earlier program has set going comes to its end first
            with m.If(issue.idle.all() & ~load_store.busy):
                m.d.comb += [fetch.start.eq(1), control.start.eq(1)]
                m.d.sync += [starting.eq(0), stepping.eq(0)]
                m.next = "D"
                with m.If(self.hold):
                    m.next = "HELD"

        def take(*, held: bool) -> None:
            m.d.comb += self.i_execute.ready.eq(~load_store.busy)
            with m.If(self.i_execute.valid & ~load_store.busy):
                m.d.sync += [
                    executing.eq(1),
                    midway.eq(held),
                    given.eq(self.i_execute.payload),
                    self.execute_fault.eq(Fault.NONE),
                ]
                m.next = "D"

        m.d.comb += self.held.eq(executing & midway)
        # both are kept while an instruction of the host is carried out
        with m.If(self.start & ~self.running):
            m.d.sync += [starting.eq(1), starting_pc.eq(self.start_pc)]
        with m.If(self.step & self.held):
            m.d.sync += stepping.eq(1)
        with m.FSM():
            with m.State("HALTED"):
                m.d.sync += executing.eq(0)
                with m.If(self.start | starting):
                    begin()
                with m.Else():
                    take(held=False)
            with m.State("HELD"):
                m.d.comb += self.held.eq(1)
                m.d.sync += executing.eq(0)
                with m.If(self.start | starting):
                    begin()
                with m.Elif(~self.hold | self.step | stepping):
                    with m.If(~load_store.busy):
                        m.d.comb += resume.eq(1)
                        m.d.sync += stepping.eq(0)
                        m.next = "D"
                with m.Else():
                    take(held=True)
            with m.State("D"):
                m.d.comb += [active.eq(1), scalars.read.eq(1)]
                m.d.sync += [now.eq(decoded), waited.eq(0)]
                m.next = "X"
                flow = decoded.has_target | decoded.has_end | (decoded.number == NUMBER["hlt"])
                with m.If(~executing & memory.past):
                    m.d.comb += cause.eq(Fault.PC)
                with m.Elif(~executing & memory.wrong):
                    m.d.comb += cause.eq(Fault.PARITY)
                with m.Elif(~decoder.legal | (executing & flow)):
                    m.d.comb += cause.eq(Fault.ILLEGAL)
                with m.If(stop):
                    stopped()
            with m.State("X"):
                m.d.comb += [active.eq(1), checked.eq(1), waiting.eq(waits)]
                # the last one assigned wins: the least number
                for fault, condition in sorted(faults.items(), reverse=True):
                    with m.If(condition):
                        m.d.comb += cause.eq(fault)
                with m.If(stop):
                    stopped()
                with m.Elif(waits):
                    m.next = "X"
                with m.Elif(now.unit_vector):
                    m.d.comb += sequence.start.eq(1)
                    m.next = "VECTOR"
                with m.Elif(now.unit_memory):
                    m.d.comb += load_store.start.eq(1)
                    m.next = "MEMORY"
                with m.Else():
                    retired()
                    with m.If(is_hlt):
                        m.next = "HALTED"
            with m.State("VECTOR"):
                m.d.comb += active.eq(1)
                with m.If(vfu.o_valid & vfu.o_last):
                    retired()
            with m.State("MEMORY"):
                m.d.comb += [active.eq(1), waiting.eq(load_store.waiting)]
                with m.If(stop):
                    stopped()
                with m.Elif(load_store.done):
                    retired()

        # the next instruction is read in the last cycle of this one; when the core was held, in the
        # last one it was, for the host may have replaced it
        advance = retire & ~executing
        m.d.comb += [
            fetch.start_pc.eq(Mux(starting, starting_pc, self.start_pc)),
            fetch.advance.eq(advance),
            fetch.jump.eq(is_one_of("jmp") | (now.unit_control & now.has_sa & scalars.holds)),
            fetch.loop.eq(is_loop),
            memory.enable.eq(advance | fetch.start | resume),
            memory.address.eq(Mux(resume, fetch.pc, fetch.address)),
            self.pc.eq(fetch.pc),
        ]

        # scalar registers
        scalar_write, scalar_value = Signal(), Signal(signed(SCALAR_BITS))
        m.d.comb += [
            scalars.function.eq(now.function),
            scalars.operand.eq(operand),
            scalars.condition.eq(now.function),
            scalar_write.eq(retire & now.has_sd),
            scalar_value.eq(
                Mux(
                    now.unit_vector,
                    vfu.o_scalar,
                    Mux(now.has_id, control.result.as_signed(), scalars.result),
                )
            ),
            scalars.write.eq(scalar_write),
            scalars.index.eq(now.sd),
            scalars.value.eq(scalar_value),
        ]
        with m.If(scalar_write):
            m.d.sync += self.scalar.eq(scalar_value)

        # vectors: register file to lanes and back
        m.d.comb += [
            sequence.d.eq(now.d),
            sequence.a.eq(now.a),
            sequence.b.eq(now.b),
            sequence.length.eq(now.len),
            sequence.ready.eq(vfu.ready),
            sequence.written.eq(vfu.o_valid),
            registers.read_a.eq((sequence.read & now.has_a) | load_store.read),
            registers.address_a.eq(Mux(now.unit_memory, load_store.address_a, sequence.address_a)),
            registers.read_b.eq(sequence.read & now.has_b),
            registers.address_b.eq(sequence.address_b),
            vfu.function.eq(now.lane),
            vfu.shift.eq(now.shift | now.fraction),
            vfu.use_vector.eq(now.has_b),
            vfu.scalar.eq(operand),
            vfu.i_valid.eq(sequence.o_valid),
            vfu.i_count.eq(sequence.o_count),
            vfu.i_last.eq(sequence.o_last),
            vfu.i_b.eq(registers.words_b),
            vfu.rounding.eq(control.rounding),
            vfu.seed_write.eq(control.seed_write),
            vfu.seed_value.eq(now.value),
        ]
        with m.If(now.has_a):
            m.d.comb += vfu.i_a.eq(registers.words_a)
        with m.Else():  # vset
            m.d.comb += vfu.i_a.eq(Cat(now.imm[:16] for _ in range(LANES)))
        with m.If(load_store.write):
            m.d.comb += [
                registers.write.eq(1),
                registers.address.eq(load_store.address),
                registers.count.eq(load_store.count),
                registers.words.eq(load_store.words),
            ]
        with m.Else():
            m.d.comb += [
                registers.write.eq(vfu.o_valid & now.has_d),
                registers.address.eq(sequence.address),
                registers.count.eq(vfu.o_count),
                registers.words.eq(vfu.o_words),
            ]

        # memory
        m.d.comb += [
            load_store.base.eq(scalars.a),
            load_store.offset.eq(now.offset),
            load_store.length.eq(now.len),
            load_store.rows.eq(Mux(now.has_rows, now.rows, 1)),
            load_store.stride.eq(now.stride),
            load_store.take.eq(now.take),
            load_store.plain.eq(now.plain),
            load_store.readers.eq(now.readers),
            load_store.vector.eq(Mux(now.has_d, now.d, now.a)),
            load_store.words_a.eq(registers.words_a),
        ]
        with m.If(now.has_d):
            m.d.comb += load_store.op.eq(MemoryOp.LOAD)
        with m.Elif(now.has_a):
            m.d.comb += load_store.op.eq(MemoryOp.STORE)
        with m.Else():
            m.d.comb += load_store.op.eq(MemoryOp.RELEASE)

        # matrix units
        m.d.comb += [
            issue.issue.eq(retire & now.unit_matrix),
            issue.operations.eq(now.operations),
            issue.crs.eq(now.mcus),
        ]
        for mcu, unit in enumerate(self.units):
            m.submodules[f"mcu{mcu}"] = unit
            wiring.connect(m, registers.o_xbar_in[mcu], unit.i_write)
            for port in range(2):
                wiring.connect(m, registers.o_xbar_out[mcu][port], unit.i_read[port])
                wiring.connect(m, unit.o_read[port], registers.i_xbar_out[mcu][port])
            wiring.connect(m, unit.array, wiring.flipped(self.array[mcu]))
            m.d.comb += [
                issue.busy[mcu].eq(unit.busy),
                self.mcu_busy[mcu].eq(unit.busy),
                self.mcu_events[mcu].eq(unit.events),
                unit.counter_select.eq(control.counter_select[mcu]),
                control.counter_value[mcu].eq(unit.counter_value),
                control.configuration[mcu].eq(unit.configuration),
            ]
            # a start closes the host's ports at once, so it is not overtaken by a command
            for_host = ~active & ~self.start & ~starting & (self.host_mcu == mcu)
            command = issue.o[mcu]
            with m.If(for_host & ~command.valid):
                self._pass(m, self.i_command, unit.i_command)
            with m.Else():
                self._pass(m, command, unit.i_command)
            with m.If(for_host):
                m.d.comb += [
                    self.host_busy.eq(unit.busy),
                    self.host_rejected.eq(unit.rejected),
                ]
                for name in ("i_config", "i_cells", "i_cells_read"):
                    self._pass(m, getattr(self, name), getattr(unit, name))
                self._pass(m, unit.o_cells, self.o_cells)
            with m.Elif(checked & is_mcfg & (now.mcu == mcu) & issue.idle[mcu]):
                m.d.comb += [
                    unit.i_config.valid.eq(1),
                    unit.i_config.p.key.eq(now.key),
                    unit.i_config.p.value.eq(now.value),
                    refused.eq(unit.config_rejected),
                ]

        m.d.comb += [
            control.write.eq(retire & now.has_value & now.unit_control),
            control.running.eq(self.running),
            control.retire.eq(advance),
            control.saturated.eq(vfu.saturated),
            control.seed.eq(vfu.seed),
            control.stop.eq(stop & ~executing),
            control.cause.eq(cause),
            control.pc.eq(fetch.pc),
            self.cycle.eq(control.cycle),
            self.fault.eq(control.fault),
            self.fault_pc.eq(control.fault_pc),
            self.fault_cycle.eq(control.fault_cycle),
            # a cycle in which anything but the watchdog stops it is no cycle waited
            self.wait_matrix.eq(checked & waits & ((cause == 0) | (cause == Fault.WATCHDOG))),
        ]
        with m.If(stop & executing):
            m.d.sync += self.execute_fault.eq(cause)

        # what others count: the fields of an instruction are kept a cycle longer than it takes
        done, events = Signal(), self.events
        m.d.sync += done.eq(advance)
        with m.If(done):
            m.d.comb += [
                events.instructions.eq(1),
                events.words_read.eq(Mux(now.has_a, length, 0) + Mux(now.has_b, length, 0)),
                events.words_written.eq(Mux(now.has_d, length, 0)),
            ]
            with m.If(now.unit_vector):
                with m.Switch(now.lane):
                    for kind in WORK[:-1]:
                        functions = (lane for lane in Function if work(lane) == kind)
                        with m.Case(*functions):
                            m.d.comb += events[kind].eq(now.len)
                    with m.Default():
                        m.d.comb += events[WORK[-1]].eq(now.len)
        if self.has_retire:
            port = self.retire
            m.d.comb += [
                port.valid.eq(advance),
                port.pc.eq(fetch.pc),
                port.word.eq(memory.word),
                port.cycle.eq(control.cycle),
                port.scalar.eq(scalar_write & (now.sd != 0)),
                port.scalar_index.eq(now.sd),
                port.scalar_value.eq(scalar_value),
                port.vector.eq(registers.write),
                port.vector_address.eq(registers.address),
                port.vector_count.eq(registers.count),
                port.vector_words.eq(registers.words),
            ]
        return m

    @staticmethod
    def _pass(m: Module, source, sink) -> None:  # type: ignore[no-untyped-def]
        """Connect two streams; under a condition, where wiring.connect may not stand."""
        m.d.comb += [
            sink.valid.eq(source.valid),
            sink.payload.eq(source.payload),
            source.ready.eq(sink.ready),
        ]
