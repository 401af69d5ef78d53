"""Windows: a tile's memories, programs and cells as one range of addresses."""

from amaranth import Cat, Module, Mux, Signal, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.analog import cells_layout
from hdl.host.bus import ERROR_BITS, BusError, BusSignature, request_layout
from hdl.mcu.row_buffer import column_cells_layout
from hdl.tile.shared_memory import host_answer_layout, host_request_layout
from panther.arch.core import ADDRESS_BITS, LANES, MAX_MCUS, READERS
from panther.arch.isa import INSTRUCTION_BITS
from panther.arch.mcu import INDEX_BITS, OPERATION_BITS, Operation
from panther.arch.node import NodeParams
from panther.arch.node_registers import (
    CELLS,
    PROGRAM,
    STATES,
    TILE_BYTES,
    WORD_BYTES,
    WORDS,
    check_host,
    units,
)
from panther.arch.tile import MAX_CORES, UNIT_BITS, HostOp

TILE_ADDRESS_BITS = (TILE_BYTES - 1).bit_length()
DATA_BITS = 8 * WORD_BYTES
CORE_BITS, MCU_BITS = (MAX_CORES - 1).bit_length(), (MAX_MCUS - 1).bit_length()
PATIENCE = 2047
"""Cycles an access may take: more than a row to be written, one to be read and written again."""
WINDOW_BITS = (STATES.offset - 1).bit_length()
"""Lowest bit of an address that tells one window from the other."""


def program_layout() -> data.StructLayout:
    """A word for an instruction memory of a tile."""
    return data.StructLayout(
        {
            "target": unsigned(UNIT_BITS),
            "address": unsigned(ADDRESS_BITS),
            "word": unsigned(INSTRUCTION_BITS),
            "invert": unsigned(1),
        }
    )


def command_layout() -> data.StructLayout:
    """A command for a matrix unit."""
    return data.StructLayout({"operation": unsigned(OPERATION_BITS), "row": unsigned(INDEX_BITS)})


class Windows(wiring.Component):
    """Carries out one access after the other; all are answered, whatever the tile does.

    Cells are reached through the row buffer of their matrix unit. The first access to a row reads
    it into the buffer, where further ones find it, until the burst ends. Cells written stay in the
    buffer until an access goes to another row or the write burst ends; then the row is written.
    Should that fail, because the core has started, say, the write burst's last beat is answered
    with SLVERR.

    Parameters
    ----------
    params : NodeParams
        What a tile has.

    Members
    -------
    bus : In(BusSignature(address_bits=26, data_bits=64))
        Accesses.
    running, reset : In(cores + 1)
        Which units run and which are in reset, the sequencer last.
    o_program : Out(stream.Signature(program_layout()))
        Words of programs.
    o_memory, i_memory : Out(stream.Signature(host_request_layout())), \
In(stream.Signature(host_answer_layout()))
        Requests to the shared memory, and what it answers to those that read.
    host_core, host_mcu : Out(3)
        Matrix unit the ports below are of.
    host_busy : In(1)
        It is busy.
    o_command, o_cells, o_cells_read, i_cells
        Its ports ``i_command``, ``i_cells``, ``i_cells_read``, ``o_cells``; see ``Mcu``.
    """

    o_program: stream.Interface
    o_memory: stream.Interface
    i_memory: stream.Interface
    o_command: stream.Interface
    o_cells: stream.Interface
    o_cells_read: stream.Interface
    i_cells: stream.Interface

    def __init__(self, params: NodeParams) -> None:
        check_host(params)
        self.params = params
        count = params.tile.cores + 1
        mcu = params.tile.core.mcu
        super().__init__(
            {
                "bus": In(BusSignature(address_bits=TILE_ADDRESS_BITS, data_bits=DATA_BITS)),
                "running": In(count),
                "reset": In(count),
                "o_program": Out(stream.Signature(program_layout())),
                "o_memory": Out(stream.Signature(host_request_layout())),
                "i_memory": In(stream.Signature(host_answer_layout())),
                "host_core": Out(unsigned(CORE_BITS)),
                "host_mcu": Out(unsigned(MCU_BITS)),
                "host_busy": In(1),
                "o_command": Out(stream.Signature(command_layout())),
                "o_cells": Out(stream.Signature(column_cells_layout(mcu))),
                "o_cells_read": Out(stream.Signature(unsigned(INDEX_BITS))),
                "i_cells": In(stream.Signature(cells_layout(mcu))),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        tile = self.params.tile
        request, response = self.bus.request, self.bus.response
        asked = Signal(request_layout(TILE_ADDRESS_BITS, DATA_BITS))

        answer, error = Signal(DATA_BITS), Signal(ERROR_BITS)

        # what the address means
        places = units(self.params)
        high = asked.address[WINDOW_BITS:]
        group = self._part(asked, WORDS, "group", len(self.o_memory.p.group))
        unit = self._part(asked, PROGRAM, "unit", UNIT_BITS)
        instruction = self._part(asked, PROGRAM, "instruction", ADDRESS_BITS)
        core = self._part(asked, CELLS, "core", CORE_BITS)
        mcu = self._part(asked, CELLS, "mcu", MCU_BITS)
        row = self._part(asked, CELLS, "row", INDEX_BITS)
        column = self._part(asked, CELLS, "column", INDEX_BITS)
        is_states = high == STATES.offset >> WINDOW_BITS
        is_memory = is_states | (high == WORDS.offset >> WINDOW_BITS)
        is_program = high == PROGRAM.offset >> WINDOW_BITS
        is_cells = high[-1]
        unit_runs, unit_depth = Signal(), Signal(ADDRESS_BITS + 1)  # none: no instruction exists
        for n, place in enumerate(places):
            with m.If(unit == place):
                depth = tile.core.instructions if n < tile.cores else tile.instructions
                m.d.comb += [
                    unit_runs.eq(self.running[n] | self.reset[n]),
                    unit_depth.eq(depth),
                ]
        exists = Signal()
        m.d.comb += exists.eq(
            (is_memory & (asked.address[:WINDOW_BITS] < WORD_BYTES * tile.groups))
            | (is_program & (instruction < unit_depth))
            | (
                is_cells
                & (core < tile.cores)
                & (mcu < tile.core.mcus)
                & (row < tile.core.mcu.rows)
                & (column < tile.core.mcu.columns)
            )
        )
        pairs = [asked.strobe[2 * word : 2 * word + 2] for word in range(LANES)]
        whole = Signal()
        m.d.comb += whole.eq(
            Mux(
                is_memory & ~is_states,
                Cat(pair.all() == pair.any() for pair in pairs).all(),
                asked.strobe.all(),
            )
        )

        # the row in the buffer, which may differ from the row of the array
        has_row, changed, lost = Signal(), Signal(), Signal()
        its_row = Signal(INDEX_BITS)
        its_core, its_mcu = self.host_core, self.host_mcu
        closed, busy = Signal(), self.host_busy
        m.d.comb += closed.eq((self.running | self.reset)[: tile.cores].bit_select(its_core, 1))
        same = has_row & (core == its_core) & (mcu == its_mcu) & (row == its_row)

        ends_write = asked.write & asked.last
        ending, writing = Signal(), Signal()
        waited = Signal(range(PATIENCE + 1))
        out_of_patience = waited == PATIENCE
        m.d.comb += [
            self.o_program.p.target.eq(unit),
            self.o_program.p.address.eq(instruction),
            self.o_program.p.word.eq(asked.data),
            self.o_memory.p.group.eq(group),
            self.o_memory.p.mask.eq(Cat(pair.any() for pair in pairs)),
            self.o_memory.p.data.as_value().eq(asked.data),
            self.o_memory.p.valid.eq(asked.data[0]),
            self.o_memory.p.readers.eq(asked.data[1 : 1 + READERS]),
            self.o_command.p.row.eq(its_row),
            self.o_cells.p.column.eq(column),
            self.o_cells.p.cells.as_value().eq(asked.data),
            self.o_cells_read.payload.eq(column),
        ]
        with m.If(~asked.write):
            m.d.comb += self.o_memory.p.op.eq(HostOp.READ)
        with m.Elif(is_states):
            m.d.comb += self.o_memory.p.op.eq(HostOp.STATE)
        with m.Else():
            m.d.comb += self.o_memory.p.op.eq(HostOp.WRITE)

        def end(why: BusError = BusError.OKAY) -> None:
            if why:
                m.d.sync += error.eq(why)
            m.next = "END"

        m.d.sync += waited.eq(waited + 1)
        with m.FSM():
            with m.State("IDLE"):
                m.d.comb += request.ready.eq(1)
                m.d.sync += [
                    asked.eq(request.payload),
                    error.eq(BusError.OKAY),
                    waited.eq(0),
                    ending.eq(0),
                ]
                with m.If(request.valid):
                    m.next = "CHOOSE"
            with m.State("CHOOSE"):
                with m.If(~exists):
                    end(BusError.DECERR)
                with m.Elif(asked.write & ~asked.strobe.any()):
                    end()
                with m.Elif(asked.write & ~whole):
                    end(BusError.SLVERR)
                with m.Elif(is_memory):
                    m.next = "MEMORY"
                with m.Elif(is_program):
                    m.next = "PROGRAM"
                    with m.If(~asked.write | unit_runs):
                        end(BusError.SLVERR)
                with m.Elif(same):
                    m.next = "COLUMN"
                with m.Elif(changed):
                    m.next = "WRITE_ROW"
                with m.Else():
                    m.d.sync += [
                        has_row.eq(0), its_core.eq(core), its_mcu.eq(mcu), its_row.eq(row),
                    ]  # fmt: skip
                    m.next = "READ_ROW"
            with m.State("MEMORY"):
                m.d.comb += self.o_memory.valid.eq(1)
                with m.If(self.o_memory.ready):
                    m.next = "ANSWER"
                    with m.If(asked.write):
                        end()
            with m.State("ANSWER"):
                m.d.comb += self.i_memory.ready.eq(1)
                came = self.i_memory.p
                m.d.sync += answer.eq(Mux(is_states, Cat(came.valid, came.readers), came.data))
                with m.If(self.i_memory.valid):
                    end()
            with m.State("PROGRAM"):
                m.d.comb += self.o_program.valid.eq(1)
                with m.If(self.o_program.ready | out_of_patience):
                    end()
                with m.If(~self.o_program.ready & out_of_patience):
                    end(BusError.SLVERR)
            with m.State("READ_ROW"):
                m.d.comb += self.o_command.p.operation.eq(Operation.READ)
                with m.If(closed | busy | out_of_patience):
                    end(BusError.SLVERR)
                with m.Else():
                    m.d.comb += self.o_command.valid.eq(1)
                    with m.If(self.o_command.ready):
                        m.next = "READING"
            with m.State("READING"):
                with m.If(closed | out_of_patience):
                    end(BusError.SLVERR)
                with m.Elif(~busy):
                    m.d.sync += has_row.eq(1)
                    m.next = "COLUMN"
            with m.State("COLUMN"):
                with m.If(~has_row | out_of_patience):
                    end(BusError.SLVERR)
                with m.Elif(asked.write):
                    m.d.comb += self.o_cells.valid.eq(1)
                    with m.If(self.o_cells.ready):
                        m.d.sync += changed.eq(1)
                        end()
                with m.Else():
                    m.d.comb += self.o_cells_read.valid.eq(1)
                    with m.If(self.o_cells_read.ready):
                        m.next = "CELLS"
            with m.State("CELLS"):
                m.d.comb += self.i_cells.ready.eq(1)
                m.d.sync += answer.eq(self.i_cells.payload)
                with m.If(self.i_cells.valid):
                    end()
                with m.Elif(~has_row | out_of_patience):
                    end(BusError.SLVERR)
            with m.State("END"):
                m.d.sync += ending.eq(1)
                m.next = "RESPOND"
                with m.If(ends_write & changed):
                    m.next = "WRITE_ROW"
                with m.Elif(asked.last & ~changed):  # changed, a write burst goes on
                    m.d.sync += has_row.eq(0)
            with m.State("WRITE_ROW"):
                m.d.comb += self.o_command.p.operation.eq(Operation.WRITE)
                with m.If(closed | busy | out_of_patience):
                    m.d.sync += lost.eq(1)
                    m.next = "WRITTEN"
                with m.Else():
                    m.d.comb += self.o_command.valid.eq(1)
                    with m.If(self.o_command.ready):
                        m.next = "WRITING"
            with m.State("WRITING"):
                m.d.comb += writing.eq(1)
                with m.If(closed | out_of_patience):
                    m.d.sync += lost.eq(1)
                    m.next = "WRITTEN"
                with m.Elif(~busy):
                    m.next = "WRITTEN"
            with m.State("WRITTEN"):
                m.d.sync += [has_row.eq(0), changed.eq(0)]
                m.next = "CHOOSE"
                with m.If(ending):
                    m.next = "RESPOND"
            with m.State("RESPOND"):
                m.d.comb += [
                    response.valid.eq(1),
                    response.p.data.eq(answer),
                    response.p.error.eq(error),
                ]
                with m.If(ends_write):
                    m.d.sync += lost.eq(0)
                    with m.If(lost & (error == BusError.OKAY)):
                        m.d.comb += response.p.error.eq(BusError.SLVERR)
                m.next = "IDLE"

        # whatever else happens to the unit, the buffer is no longer good
        with m.If(has_row & (closed | (busy & ~writing))):
            m.d.sync += [has_row.eq(0), changed.eq(0)]
            with m.If(changed | (self.o_cells.valid & self.o_cells.ready)):
                m.d.sync += lost.eq(1)
        return m

    @staticmethod
    def _part(asked, window, name: str, bits: int):  # type: ignore[no-untyped-def]
        """What an address in ``window`` says of ``name``."""
        lsb = (dict(window.strides)[name] - 1).bit_length()
        return asked.address[lsb : lsb + bits]
