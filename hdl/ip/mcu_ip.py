"""A matrix compute unit by itself: registers on AXI4-Lite, operands and results on AXI4-Stream."""

from amaranth import Array, C, Cat, Module, Mux, Signal, signed, unsigned
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.analog import ArraySignature
from hdl.host.axi_lite import AxiLite, axi_lite_members
from hdl.host.bus import ERROR_BITS, BusError
from hdl.mcu.mcu import Mcu
from panther.arch.mcu import INDEX_BITS, InBank, Operation, OutBank
from panther.arch.mcu_ip import (
    ADDRESS_BITS,
    AUTOMATIC,
    CONFIGURED,
    DESTINATION_BITS,
    ERRORS,
    INTERRUPTS,
    STREAM_WORD_BITS,
    STREAM_WORDS,
    mcu_ip_registers,
)
from panther.arch.params import McuParams
from panther.arch.registers import REGISTER_BITS, REGISTER_BYTES, Access, Register

STREAM_BITS = STREAM_WORDS * STREAM_WORD_BITS
BYTES_A_WORD = STREAM_WORD_BITS // 8


class McuIp(wiring.Component):
    """An ``Mcu`` for designs that know nothing of cores: commands, vectors in, vectors out.

    Registers are in ``panther.arch.mcu_ip``. An access that cannot be carried out has no effect and
    is answered with SLVERR (with DECERR where there is no register), what the unit refuses also
    sets a bit of ``errors``. Registers are written whole.

    A packet on ``s_axis`` fills the bank of XbarIn its TDEST names, from line 0 on, a beat a cycle.
    Of a word, 16 bits, the lower ``operand_bits`` count; of a beat, the words up to the first one
    without TKEEP. Lines behind the packet's end keep their words. Packets of different banks may be
    interleaved. A packet waits for operations that use its bank. Results leave on ``m_axis``, a
    beat a cycle, sign-extended, with the number of the bank in TDEST. ``s_axis_tready`` depends on
    TDEST and TKEEP, no other output on an input of the same cycle.

    Parameters
    ----------
    params : McuParams
        Everything about the unit.

    Members
    -------
    s_axil_* :
        AXI4-Lite; see ``axi_lite_members``.
    s_axis_tdata, s_axis_tkeep, s_axis_tlast, s_axis_tdest : In(64), In(8), In(1), In(2)
        Operands for bank ``tdest`` (``InBank``), with ``s_axis_tvalid`` and ``s_axis_tready``.
    m_axis_tdata, m_axis_tkeep, m_axis_tlast, m_axis_tdest : Out(64), Out(8), Out(1), Out(2)
        Results of bank ``tdest`` (``OutBank``), with ``m_axis_tvalid`` and ``m_axis_tready``.
    irq : Out(1)
        An enabled interrupt is pending.
    array : Out(ArraySignature(params))
        The analog arrays.
    """

    def __init__(self, params: McuParams) -> None:
        self.params = params
        beat = {
            "tdata": unsigned(STREAM_BITS),
            "tkeep": unsigned(STREAM_BITS // 8),
            "tlast": unsigned(1),
            "tdest": unsigned(DESTINATION_BITS),
            "tvalid": unsigned(1),
        }
        super().__init__(
            {
                **axi_lite_members(ADDRESS_BITS),
                **{f"s_axis_{name}": In(shape) for name, shape in beat.items()},
                "s_axis_tready": Out(1),
                **{f"m_axis_{name}": Out(shape) for name, shape in beat.items()},
                "m_axis_tready": In(1),
                "irq": Out(1),
                "array": Out(ArraySignature(params)),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        m.submodules.mcu = self.mcu = mcu = Mcu(self.params)
        wiring.connect(m, mcu.array, wiring.flipped(self.array))
        m.submodules.axi = axi = AxiLite(address_bits=ADDRESS_BITS)
        for name, member in axi_lite_members(ADDRESS_BITS).items():
            inner, outer = getattr(axi, name), getattr(self, name)
            m.d.comb += inner.eq(outer) if member.flow is In else outer.eq(inner)

        # what has happened in this cycle, in the order of the registers' bits
        self.errors = {name: Signal(name=f"{name}_error") for name in ERRORS}
        self.events = {name: Signal(name=f"{name}_event") for name in INTERRUPTS}
        m.d.comb += self.events["error"].eq(Cat(self.errors.values()).any())

        # a packet whose operation has not begun, an operation that began by itself, its results
        # whose stream has not begun; a bit for each operation that may
        self.control = Signal(len(AUTOMATIC))
        self.packet_waits = Signal(len(AUTOMATIC))
        self.runs = Signal(len(AUTOMATIC))
        self.results_wait = Signal(len(AUTOMATIC))
        self.streaming = Signal()
        self.stream_bank = Signal(DESTINATION_BITS)
        self.start_stream = Signal()
        self.start_bank = Signal(DESTINATION_BITS)
        # banks of XbarOut that may not be overwritten yet
        self.held = Signal(len(OutBank))
        m.d.comb += self.held.eq(
            self.runs | self.results_wait | (self.streaming << self.stream_bank)[: len(OutBank)]
        )

        self._registers(m, axi)
        self._operands(m)
        self._operations(m)
        self._results(m)
        return m

    def _registers(self, m: Module, axi: AxiLite) -> None:
        params, mcu = self.params, self.mcu
        registers = {register.name: register for register in mcu_ip_registers(params)}
        request, response = axi.bus.request, axi.bus.response
        word = request.p.data
        answer = Signal(REGISTER_BITS)
        error = Signal(ERROR_BITS)
        m.d.comb += [response.p.data.eq(answer), response.p.error.eq(error)]

        errors, pending = Signal(len(ERRORS)), Signal(len(INTERRUPTS))
        errors_clear, pending_clear = Signal(len(ERRORS)), Signal(len(INTERRUPTS))
        enable = Signal(len(INTERRUPTS))
        m.d.sync += [
            errors.eq((errors & ~errors_clear) | Cat(self.errors.values())),
            pending.eq((pending & ~pending_clear) | Cat(self.events.values())),
        ]
        m.d.comb += self.irq.eq((pending & enable).any())

        # the row buffer: cells on their way, and the column they are of
        cells = Signal(registers["cells"].count * REGISTER_BITS)
        cell_bits = len(mcu.i_cells.p.cells.as_value())
        column = Signal(INDEX_BITS)
        last_cells = registers["cells"].count - 1
        m.d.comb += [
            mcu.i_cells.p.column.eq(column),
            mcu.i_cells.p.cells.eq(Cat(cells[: last_cells * REGISTER_BITS], word)[:cell_bits]),
            mcu.i_cells_read.payload.eq(column),
            mcu.o_cells.ready.eq(1),
        ]

        write, read = Signal(), Signal()
        refused = Signal()
        whole = request.p.strobe.all()

        def refuse(name: str):  # type: ignore[no-untyped-def]
            return [refused.eq(1), self.errors[name].eq(1)]

        def place(register: Register, **fields) -> None:  # type: ignore[no-untyped-def]
            """Answer a read of a register with its fields."""
            for name, value in fields.items():
                field = register.field(name)
                m.d.sync += answer[field.lsb : field.lsb + field.bits].eq(value)

        def when(name: str, access: Access):  # type: ignore[no-untyped-def]
            """Condition: this register is read (RO) or written (WO)."""
            register = registers[name]
            strobe = read if access is Access.RO else write
            first = register.offset // REGISTER_BYTES
            at = request.p.address // REGISTER_BYTES
            if register.count == 1:
                return m.If(strobe & (at == first))
            return m.If(strobe & (at >= first) & (at < first + register.count))

        with m.FSM():
            with m.State("REQUEST"):
                m.d.comb += [
                    request.ready.eq(1),
                    read.eq(request.valid & ~request.p.write),
                    write.eq(request.valid & request.p.write & whole),
                ]
                with m.If(request.valid):
                    m.d.sync += [answer.eq(0), error.eq(BusError.DECERR)]
                    with m.Switch(request.p.address // REGISTER_BYTES):
                        for register in registers.values():
                            first = register.offset // REGISTER_BYTES
                            with m.Case(*range(first, first + register.count)):
                                fine = Mux(
                                    request.p.write,
                                    whole & int(register.access.writable),
                                    C(int(register.access.readable), 1),
                                )
                                m.d.sync += error.eq(
                                    Mux(fine & ~refused, BusError.OKAY, BusError.SLVERR)
                                )
                    m.next = "RESPONSE"
                with m.If(mcu.i_cells_read.valid & mcu.i_cells_read.ready):
                    m.next = "CELLS"
            with m.State("CELLS"):
                m.d.sync += [
                    cells.eq(mcu.o_cells.payload.as_value()),
                    answer.eq(mcu.o_cells.payload.as_value()),
                ]
                m.next = "RESPONSE"
            with m.State("RESPONSE"):
                m.d.comb += response.valid.eq(1)
                m.next = "REQUEST"

        for name in ("identity", "size", "format"):
            with when(name, Access.RO):
                m.d.sync += answer.eq(registers[name].reset)
        with when("status", Access.RO):
            waiting = (self.packet_waits | self.results_wait).any()
            place(registers["status"], busy=mcu.busy, streaming=self.streaming, waiting=waiting)
        for name, value in (
            ("control", self.control), ("errors", errors), ("interrupt_enable", enable),
            ("interrupt_pending", pending), ("cell_column", column),
        ):  # fmt: skip
            with when(name, Access.RO):
                m.d.sync += answer.eq(value)
        for name, register in (
            ("control", self.control), ("interrupt_enable", enable), ("cell_column", column),
        ):  # fmt: skip
            with when(name, Access.WO):
                m.d.sync += register.eq(word)
        for name, clear in (("errors", errors_clear), ("interrupt_pending", pending_clear)):
            with when(name, Access.WO):
                m.d.comb += clear.eq(word)

        # the unit's own configuration
        m.d.comb += mcu.i_config.p.value.eq(word)
        for name, key in CONFIGURED.items():
            if registers[name].access.readable:
                with when(name, Access.RO):
                    m.d.sync += answer.eq(mcu.configuration[name])
            with when(name, Access.WO):
                m.d.comb += mcu.i_config.p.key.eq(key)
                # results whose stream has not begun are as many as the lines in use
                with m.If(mcu.i_config.ready & ~(self.runs | self.results_wait).any()):
                    m.d.comb += mcu.i_config.valid.eq(1)
                    with m.If(mcu.config_rejected):
                        m.d.comb += refuse("configuration")
                with m.Else():
                    m.d.comb += refuse("busy")

        # cells
        at = request.p.address // REGISTER_BYTES - registers["cells"].offset // REGISTER_BYTES
        with when("cells", Access.RO):
            m.d.sync += answer.eq(cells.word_select(at[:INDEX_BITS], REGISTER_BITS))
            with m.If(at == 0):
                with m.If(mcu.i_cells_read.ready):
                    m.d.comb += mcu.i_cells_read.valid.eq(1)
                    with m.If(mcu.rejected):
                        m.d.comb += refuse("cells")
                with m.Else():
                    m.d.comb += refuse("busy")
            with m.If((at == last_cells) & ~refused):
                m.d.sync += column.eq(column + 1)
        with when("cells", Access.WO):
            m.d.sync += cells.word_select(at[:INDEX_BITS], REGISTER_BITS).eq(word)
            with m.If(at == last_cells):
                with m.If(mcu.i_cells.ready):
                    m.d.comb += mcu.i_cells.valid.eq(1)
                    with m.If(mcu.rejected):
                        m.d.comb += refuse("cells")
                    with m.Else():
                        m.d.sync += column.eq(column + 1)
                with m.Else():
                    m.d.comb += refuse("busy")

        # counters
        counters = registers["counters"]
        number = request.p.address // REGISTER_BYTES - counters.offset // REGISTER_BYTES
        m.d.comb += mcu.counter_select.eq(number)
        with when("counters", Access.RO):
            m.d.sync += answer.eq(mcu.counter_value)

        # operations and streams; the former only if nobody needs the results they overwrite
        command = registers["command"]
        operation, row = command.field("operation"), command.field("row")
        self.commanded = Signal()
        overwrites = Signal(len(OutBank))
        wanted = word[operation.lsb : operation.lsb + operation.bits]
        m.d.comb += [
            mcu.i_command.p.operation.eq(wanted),
            mcu.i_command.p.row.eq(word[row.lsb : row.lsb + row.bits]),
            overwrites.eq(Cat(wanted == Operation.MVM, wanted == Operation.MTVM)),
        ]
        with when("command", Access.WO):
            m.d.comb += self.commanded.eq(1)
            with m.If(mcu.i_command.ready & ~(overwrites & self.held).any()):
                m.d.comb += mcu.i_command.valid.eq(1)
                with m.If(mcu.rejected):
                    m.d.comb += refuse("command")
            with m.Else():
                m.d.comb += refuse("busy")
        with when("start_stream", Access.WO):
            with m.If(self.streaming):
                m.d.comb += refuse("busy")
            with m.Else():
                m.d.comb += [self.start_stream.eq(1), self.start_bank.eq(word[0])]

    def _operands(self, m: Module) -> None:
        """Packets into XbarIn."""
        params, mcu = self.params, self.mcu
        lines = {
            InBank.MVM: params.rows, InBank.MTVM: params.columns,
            InBank.OPA_ROWS: params.rows, InBank.OPA_COLUMNS: params.columns,
        }  # fmt: skip
        bank = self.s_axis_tdest
        filled = [Signal(INDEX_BITS + 1, name=f"filled{n}") for n in InBank]
        overflowed = Signal(len(InBank))
        index = Array(filled)[bank]
        room = Signal(INDEX_BITS + 1)
        present, used = Signal(range(STREAM_WORDS + 1)), Signal(range(STREAM_WORDS + 1))
        waits, taken, too_long = Signal(), Signal(), Signal()
        keep = [self.s_axis_tkeep.word_select(n, BYTES_A_WORD).all() for n in range(STREAM_WORDS)]
        # words up to the first one that is not kept
        with m.If(~keep[0]):
            m.d.comb += present.eq(0)
        for n in range(1, STREAM_WORDS):
            with m.Elif(~keep[n]):
                m.d.comb += present.eq(n)
        with m.Else():
            m.d.comb += present.eq(STREAM_WORDS)
        m.d.comb += [
            room.eq(Array([lines[n] for n in InBank])[bank] - index),
            used.eq(Mux(present > room, room, present)),
            too_long.eq(present > room),
            # the words in a bank stay until the operation they are for has begun
            waits.eq(
                Cat(
                    self.packet_waits[n] & (bank == entry[0]) for n, entry in enumerate(AUTOMATIC)
                ).any()
            ),
            self.s_axis_tready.eq(~waits & (mcu.i_write.ready | (used == 0))),
            taken.eq(self.s_axis_tvalid & self.s_axis_tready),
            mcu.i_write.valid.eq(self.s_axis_tvalid & ~waits & (used != 0)),
            mcu.i_write.p.bank.eq(bank),
            mcu.i_write.p.index.eq(index),
            mcu.i_write.p.count.eq(used),
            self.errors["packet"].eq(taken & too_long),
            self.events["packet"].eq(taken & self.s_axis_tlast),
        ]
        for n in range(STREAM_WORDS):
            word = self.s_axis_tdata.word_select(n, STREAM_WORD_BITS)
            m.d.comb += mcu.i_write.p.data[n].eq(word[: params.operand_bits])
        with m.If(taken):
            with m.If(self.s_axis_tlast):
                m.d.sync += [index.eq(0), overflowed.bit_select(bank, 1).eq(0)]
                for n, (entry, *_) in enumerate(AUTOMATIC):
                    fits = ~too_long & ~overflowed[entry]
                    with m.If((bank == entry) & self.control[n] & fits):
                        m.d.sync += self.packet_waits[n].eq(1)
            with m.Else():
                m.d.sync += index.eq(index + used)
                with m.If(too_long):
                    m.d.sync += overflowed.bit_select(bank, 1).eq(1)

    def _operations(self, m: Module) -> None:
        """What begins by itself, and what comes after an operation."""
        mcu = self.mcu
        was_busy, ended = Signal(), Signal()
        m.d.sync += was_busy.eq(mcu.busy)
        m.d.comb += [ended.eq(was_busy & ~mcu.busy), self.events["done"].eq(ended)]
        with m.If(ended):
            m.d.sync += [self.results_wait.eq(self.results_wait | self.runs), self.runs.eq(0)]
        with m.If(~mcu.i_command.ready | self.commanded):
            pass
        for n, (_, operation, out, _) in enumerate(AUTOMATIC):
            with m.Elif(self.packet_waits[n] & ~self.held[out]):
                m.d.comb += [
                    mcu.i_command.valid.eq(1),
                    mcu.i_command.p.operation.eq(operation),
                ]
                m.d.sync += [self.packet_waits[n].eq(0), self.runs[n].eq(1)]

    def _results(self, m: Module) -> None:
        """Packets out of XbarOut."""
        mcu = self.mcu
        asked, answered = mcu.i_read[0], mcu.o_read[0]
        lines, index, sent = (
            Signal(INDEX_BITS + 1, name=name) for name in ("lines", "index", "sent")
        )
        left = Signal(INDEX_BITS + 1)
        last, taken = Signal(), Signal()
        bank = Signal(DESTINATION_BITS)
        begins = Signal()
        with m.If(self.start_stream):
            m.d.comb += [begins.eq(1), bank.eq(self.start_bank)]
        for n, (_, _, out, _) in enumerate(AUTOMATIC):
            with m.Elif(self.results_wait[n] & ~self.streaming):
                m.d.comb += [begins.eq(1), bank.eq(out)]
                m.d.sync += self.results_wait[n].eq(0)
        with m.If(begins):
            configuration = mcu.configuration
            m.d.sync += [
                self.streaming.eq(1),
                self.stream_bank.eq(bank),
                lines.eq(Mux(bank == OutBank.MVM, configuration.columns, configuration.rows)),
                index.eq(0),
                sent.eq(0),
            ]
        m.d.comb += [
            asked.valid.eq(self.streaming & (index < lines)),
            asked.p.bank.eq(self.stream_bank),
            asked.p.index.eq(index),
            left.eq(lines - sent),
            last.eq(left <= STREAM_WORDS),
            self.m_axis_tvalid.eq(answered.valid),
            answered.ready.eq(self.m_axis_tready),
            taken.eq(answered.valid & answered.ready),
            self.m_axis_tlast.eq(last),
            self.m_axis_tdest.eq(self.stream_bank),
            self.events["streamed"].eq(taken & last),
        ]
        for n in range(STREAM_WORDS):
            word = Signal(signed(STREAM_WORD_BITS), name=f"word{n}")
            kept = n < left
            m.d.comb += [
                word.eq(Mux(kept, answered.payload[n], 0)),
                self.m_axis_tdata.word_select(n, STREAM_WORD_BITS).eq(word),
                self.m_axis_tkeep.word_select(n, BYTES_A_WORD).eq(kept.replicate(BYTES_A_WORD)),
            ]
        with m.If(asked.valid & asked.ready):
            m.d.sync += index.eq(index + STREAM_WORDS)
        with m.If(taken):
            m.d.sync += sent.eq(sent + STREAM_WORDS)
            with m.If(last):
                m.d.sync += self.streaming.eq(0)
