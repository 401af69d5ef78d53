"""Sequencer: runs a tile's program, which sends and receives messages."""

from amaranth import Cat, Module, Mux, Signal, signed, unsigned
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.core.control_status import VALUE_BITS
from hdl.core.decoder import Decoder, decoded_layout, numbers
from hdl.core.fetch import Fetch
from hdl.core.instruction_memory import InstructionMemory
from hdl.core.load_store import GROUP_BITS
from hdl.core.scalar_unit import SCALAR_BITS, ScalarUnit
from hdl.tile.send_unit import LENGTH_BITS
from panther.arch.core import (
    ADDRESS_BITS,
    LANES,
    READERS,
    WATCHDOG_DEFAULT,
    Csr,
)
from panther.arch.isa import TILE_PROGRAM_INSTRUCTIONS
from panther.arch.node import NodeParams
from panther.arch.tile import FIFO_BITS, TILE_BITS, TILE_FAULT_BITS, TileFault

NUMBER = numbers(TILE_PROGRAM_INSTRUCTIONS)


class Sequencer(wiring.Component):
    """One instruction at a time, in order; send and receive unit go on in the background.

    ``docs/node.md`` says what happens in which cycle. Cycle 0 is the first one after a start.

    Parameters
    ----------
    params : NodeParams
        Size of the program, of the memory, and what messages there may be.

    Members
    -------
    i_program : In(stream.Signature({"address": 13, "word": 64, "invert": 1}))
        Words of the program; while the sequencer does not run.
    start, start_pc : In(1), In(13)
        Begin at an address; while the sequencer does not run. It begins in the next cycle, or as
        soon as send and receive unit are idle. One that is held forgets what it was doing.
    starting : Out(1)
        It waits for that.
    hold, step : In(1), In(1)
        Stop before the next instruction; held, do one.
    running, held : Out(1)
        It runs; it is held.
    waiting : Out(1)
        The instruction in X waits in this cycle.
    retire : Out(1)
        One is done.
    fault, fault_pc, fault_cycle : Out(5), Out(14), Out(32)
        Why, where and in which cycle it stopped; ``TileFault.NONE`` if it did not, or halted.
    pc : Out(14)
        Address of the present instruction; held, of the next one.
    cycle : Out(32)
        Cycles since the start, held ones included; those halted do not count.
    watchdog : Out(32)
        Cycles an instruction, the send or the receive unit may wait.
    group, words, tile, fifo, readers : Out(13), Out(10), Out(8), Out(4), Out(9)
        What ``send`` and ``receive`` hand over; the address of the instruction is ``pc``.
    send, receive : Out(1)
        The unit begins.
    send_idle, receive_idle : In(1)
        It could; of the send unit: and every answer of the memory has come.
    send_fault, send_pc, receive_fault, receive_pc : In(5), In(14), In(5), In(14)
        The ``TileFault`` of a unit in this cycle, and the address of its instruction.
    """

    i_program: stream.Interface

    def __init__(self, params: NodeParams) -> None:
        self.params = params
        self.memory = InstructionMemory(params.tile)
        address = unsigned(ADDRESS_BITS + 1)
        cause = unsigned(TILE_FAULT_BITS)
        super().__init__(
            {
                "i_program": self.memory.signature.members["i"],
                "start": In(1),
                "start_pc": In(unsigned(ADDRESS_BITS)),
                "starting": Out(1),
                "hold": In(1),
                "step": In(1),
                "running": Out(1),
                "held": Out(1),
                "waiting": Out(1),
                "retire": Out(1),
                "fault": Out(cause),
                "fault_pc": Out(address),
                "fault_cycle": Out(unsigned(VALUE_BITS)),
                "pc": Out(address),
                "cycle": Out(unsigned(VALUE_BITS)),
                "watchdog": Out(unsigned(VALUE_BITS), init=WATCHDOG_DEFAULT),
                "group": Out(unsigned(GROUP_BITS)),
                "words": Out(unsigned(LENGTH_BITS)),
                "tile": Out(unsigned(TILE_BITS)),
                "fifo": Out(unsigned(FIFO_BITS)),
                "readers": Out(unsigned(READERS)),
                "send": Out(1),
                "receive": Out(1),
                "send_idle": In(1),
                "receive_idle": In(1),
                "send_fault": In(cause),
                "send_pc": In(address),
                "receive_fault": In(cause),
                "receive_pc": In(address),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        params = self.params
        instructions = TILE_PROGRAM_INSTRUCTIONS
        m.submodules.instruction_memory = memory = self.memory
        m.submodules.fetch = fetch = Fetch()
        m.submodules.decoder = decoder = Decoder(instructions)
        m.submodules.scalar_unit = scalars = ScalarUnit()
        wiring.connect(m, wiring.flipped(self.i_program), memory.i)

        # D: what the word says, kept for X
        decoded = decoder.decoded
        now = Signal(decoded_layout(instructions))
        m.d.comb += [
            decoder.word.eq(memory.word),
            # absent fields are 0: at most one of the two is not
            scalars.index_a.eq(decoded.sa | decoded.base),
            scalars.index_b.eq(decoded.sb),
        ]

        # X: what is checked and what is waited for
        def is_one_of(*names):  # type: ignore[no-untyped-def]
            return Cat(now.number == NUMBER[name] for name in names).any()

        end = Signal(ADDRESS_BITS)
        is_loop, is_send, is_receive = (
            is_one_of("loop", "loops"),
            is_one_of("send"),
            now.has_readers,
        )
        is_hlt = is_one_of("hlt")
        first = Signal(signed(SCALAR_BITS + 1))
        behind = Signal(signed(SCALAR_BITS + 2))
        operand = Signal(signed(SCALAR_BITS))
        retired = Signal(VALUE_BITS)
        csr, bad_csr = Signal(VALUE_BITS), Signal()
        m.d.comb += [
            end.eq(now.end | now.target),
            fetch.count.eq(Mux(now.has_count, now.count, scalars.b)),
            fetch.target.eq(end),
            first.eq(scalars.a + now.offset),
            behind.eq(first + now.len),
            operand.eq(Mux(now.has_sb, scalars.b, now.imm)),
        ]
        with m.Switch(now.id):
            with m.Case(Csr.WATCHDOG):
                m.d.comb += [
                    csr.eq(self.watchdog),
                    bad_csr.eq(now.has_value & (now.value == 0)),
                ]
            for register, count in ((Csr.CYCLE, self.cycle), (Csr.RETIRED, retired)):
                with m.Case(register):
                    m.d.comb += [csr.eq(count), bad_csr.eq(now.has_value)]
            with m.Default():
                m.d.comb += bad_csr.eq(1)
        program_words = params.tile.instructions
        faults = {
            TileFault.LOOP_RANGE: is_loop & ((end <= fetch.pc + 1) | (end > program_words)),
            TileFault.LOOP_DEPTH: fetch.full,
            TileFault.MEMORY: now.unit_tile
            & ((first < 0) | (behind > params.tile.core.memory_words)),
            TileFault.ALIGNMENT: now.unit_tile & (first % LANES != 0),
            TileFault.CSR: now.has_id & bad_csr,
            TileFault.DESTINATION: now.unit_tile
            & ((now.tile >= params.tiles) | (now.fifo >= params.tile.fifos)),
        }
        waits = Signal()
        m.d.comb += waits.eq(
            ((is_send | is_hlt) & ~self.send_idle) | ((is_receive | is_hlt) & ~self.receive_idle)
        )

        # faults: of the sequencer, else of the send unit, else of the receive unit
        own = Signal(TILE_FAULT_BITS)
        cause = Signal(TILE_FAULT_BITS)
        cause_pc = Signal(ADDRESS_BITS + 1)
        stop, retire = Signal(), self.retire
        m.d.comb += [cause.eq(own), cause_pc.eq(fetch.pc)]
        with m.If(own == TileFault.NONE):
            with m.If(self.send_fault != TileFault.NONE):
                m.d.comb += [cause.eq(self.send_fault), cause_pc.eq(self.send_pc)]
            with m.Else():
                m.d.comb += cause.eq(self.receive_fault)
                # a row from a wrong tile belongs to no instruction
                with m.If(self.receive_fault != TileFault.SENDER):
                    m.d.comb += cause_pc.eq(self.receive_pc)
        m.d.comb += stop.eq(cause != TileFault.NONE)
        with m.If(stop & (self.fault == TileFault.NONE)):
            m.d.sync += [
                self.fault.eq(cause),
                self.fault_pc.eq(cause_pc),
                self.fault_cycle.eq(self.cycle),
            ]
        with m.If(self.running | self.held):
            m.d.sync += [self.cycle.eq(self.cycle + 1), retired.eq(retired + retire)]

        starting, starting_pc = self.starting, Signal(ADDRESS_BITS)
        resume = Signal()

        def begin() -> None:
            m.next = "HALTED"
            # what an earlier program has set going comes to its end first
            with m.If(self.send_idle & self.receive_idle):
                m.d.comb += fetch.start.eq(1)
                m.d.sync += [
                    starting.eq(0),
                    self.cycle.eq(0),
                    retired.eq(0),
                    self.fault.eq(TileFault.NONE),
                ]
                m.next = "D"
                with m.If(self.hold):
                    m.next = "HELD"

        with m.If(self.start & ~self.running):
            m.d.sync += [starting.eq(1), starting_pc.eq(self.start_pc)]
        with m.FSM():
            with m.State("HALTED"):
                with m.If(self.start | starting):
                    begin()
            with m.State("HELD"):
                m.d.comb += self.held.eq(1)
                with m.If(self.start):
                    begin()
                with m.Elif(stop):
                    m.next = "HALTED"
                with m.Elif(~self.hold | self.step):
                    m.d.comb += resume.eq(1)
                    m.next = "D"
            with m.State("D"):
                m.d.comb += [self.running.eq(1), scalars.read.eq(1)]
                m.d.sync += now.eq(decoded)
                m.next = "X"
                with m.If(memory.past):
                    m.d.comb += own.eq(TileFault.PC)
                with m.Elif(memory.wrong):
                    m.d.comb += own.eq(TileFault.PARITY)
                with m.Elif(~decoder.legal):
                    m.d.comb += own.eq(TileFault.ILLEGAL)
                with m.If(stop):
                    m.next = "HALTED"
            with m.State("X"):
                refused = Cat(condition for condition in faults.values()).any()
                m.d.comb += [self.running.eq(1), self.waiting.eq(waits & ~refused)]
                # the last one assigned wins: the least number
                for fault, condition in sorted(faults.items(), reverse=True):
                    with m.If(condition):
                        m.d.comb += own.eq(fault)
                with m.If(stop):
                    m.next = "HALTED"
                with m.Elif(~waits):
                    m.d.comb += [
                        retire.eq(1),
                        self.send.eq(is_send),
                        self.receive.eq(is_receive),
                    ]
                    m.next = "D"
                    with m.If(is_hlt):
                        m.next = "HALTED"
                    with m.Elif(self.hold):
                        m.next = "HELD"

        # the next instruction is read in the last cycle of this one; when it was held, in the last
        # cycle it was, for the host may have replaced it
        m.d.comb += [
            fetch.start_pc.eq(Mux(self.start, self.start_pc, starting_pc)),
            fetch.advance.eq(retire),
            fetch.jump.eq(is_one_of("jmp") | (now.unit_control & now.has_sa & scalars.holds)),
            fetch.loop.eq(is_loop),
            memory.enable.eq(retire | fetch.start | resume),
            memory.address.eq(Mux(resume, fetch.pc, fetch.address)),
            scalars.function.eq(now.function),
            scalars.operand.eq(operand),
            scalars.condition.eq(now.function),
            scalars.write.eq(retire & now.has_sd),
            scalars.index.eq(now.sd),
            scalars.value.eq(Mux(now.has_id, csr.as_signed(), scalars.result)),
            self.pc.eq(fetch.pc),
            self.group.eq(first // LANES),
            self.words.eq(now.len),
            self.tile.eq(now.tile),
            self.fifo.eq(now.fifo),
            self.readers.eq(now.readers),
        ]
        with m.If(retire & now.has_value):
            m.d.sync += self.watchdog.eq(now.value)
        return m
