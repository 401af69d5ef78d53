"""Tile: cores around a shared memory, send and receive unit, and the sequencer that runs them."""

from amaranth import Cat, Module, Mux, ResetInserter, Signal, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.analog import ArraySignature
from hdl.core.control_status import VALUE_BITS
from hdl.core.core import Core, RetireSignature, core_events_layout
from hdl.core.load_store import GROUP_BITS
from hdl.core.scalar_unit import SCALAR_BITS
from hdl.flit import flit_layout
from hdl.mcu.mcu import mcu_events_layout
from hdl.tile.network_port import NetworkPort
from hdl.tile.receive_unit import ReceiveUnit
from hdl.tile.send_unit import SendUnit, transfer_status_layout
from hdl.tile.sequencer import Sequencer
from hdl.tile.shared_memory import SharedMemory
from panther.arch.core import ADDRESS_BITS, FAULT_BITS, MAX_MCUS, MemoryOp
from panther.arch.isa import INSTRUCTION_BITS
from panther.arch.mcu import COUNTER_BITS
from panther.arch.node import NodeParams
from panther.arch.tile import (
    MAX_CORES,
    SEQUENCER,
    TILE_BITS,
    TILE_FAULT_BITS,
    TILE_WAIT_BITS,
    UNIT_BITS,
    TileWait,
    counter_names,
)


def unit_status_layout() -> data.StructLayout:
    """What a core or the sequencer does, for a host to see.

    ``running`` from its start on, even if that has to wait. ``fault`` is a ``Fault`` or
    ``TileFault``; ``pc`` and ``cycle`` are those of the fault if there is one, else the present
    ones. ``wait`` is a ``TileWait``, ``wait_group`` the group it waits for: as of the last cycle
    in which the unit ran.
    """
    return data.StructLayout(
        {
            "running": unsigned(1),
            "held": unsigned(1),
            "fault": unsigned(TILE_FAULT_BITS),
            "pc": unsigned(ADDRESS_BITS + 1),
            "cycle": unsigned(VALUE_BITS),
            "wait": unsigned(TILE_WAIT_BITS),
            "wait_group": unsigned(GROUP_BITS),
        }
    )


class Tile(wiring.Component):
    """One tile of a node; ``docs/node.md`` says what happens in which cycle.

    Units are numbered: cores from 0 on, then the sequencer; where ``target`` names one, the
    sequencer is number 8. Submodules ``core0``, ``sequencer``, ``send_unit``, ``receive_unit``,
    ``network_port`` and ``shared_memory`` are what they are called.

    Parameters
    ----------
    params : NodeParams
        The node: tile, cores, and where messages may go.
    retire : bool
        Whether each core has a retire port.

    Members
    -------
    number : In(8)
        Which tile of the node this is; constant.
    i_program : In(stream.Signature({"target": 4, "address": 13, "word": 64, "invert": 1}))
        Words of the units' programs, see ``InstructionMemory``; always taken, and lost if there is
        no such unit.
    start, start_pc : In(units), In(13).array(units)
        All units whose bit is set begin at their addresses.
    hold, step : In(units), In(units)
        Stop before the next instruction; held, do one.
    reset : In(units)
        Keep a unit in reset, the sequencer together with send and receive unit, as soon as a worm
        that has begun is over.
    i_execute : In(stream.Signature({"target": 4, "word": 64}))
        Instructions for cores that do not run, see ``Core``; always taken, and lost, if there is no
        such core.
    execute_busy, execute_fault : Out(cores), Out(4).array(cores)
        One is being carried out; why the last one did not retire.
    scalar : Out(32).array(cores)
        What each core last wrote to a scalar register.
    status : Out(unit_status_layout()).array(units)
        What each unit does.
    send_status, receive_status : Out(transfer_status_layout())
        What send and receive unit do; ``wait`` is that of the last cycle in which they were busy.
    i_memory, o_memory
        The host's port to the memory; see ``SharedMemory``.
    host_core, host_mcu : In(3), In(3)
        Matrix unit that the ports below reach, while its core does not run.
    i_command, i_cells, i_cells_read, o_cells, host_busy, host_rejected
        As of ``Core``.
    clear_counters : In(1)
        Set every counter to zero.
    counter_select : In(range(counters))
        Counter to read, in the order of ``panther.arch.tile.counter_names``.
    counter_value : Out(32)
        Its count; a cycle's events count from the next cycle on, what an instruction of a core has
        done a cycle later.
    clock_enable : Out(1)
        A register of the tile may change at the end of this cycle.
    o_flit : Out(stream.Signature(flit_layout()))
        To the router, whose ``ready`` is a register. ``valid`` only when it is ready.
    i_flit : In(stream.Signature(flit_layout()))
        From the router; never waits.
    array : Array of Out(ArraySignature(params.tile.core.mcu))
        The analog arrays: of unit m of core c number ``c * mcus + m``.
    retire : Array of Out(RetireSignature()), one for each core
        Absent by default.
    """

    i_program: stream.Interface
    i_execute: stream.Interface
    i_memory: stream.Interface
    o_memory: stream.Interface
    o_flit: stream.Interface
    i_flit: stream.Interface

    def __init__(self, params: NodeParams, *, retire: bool = False) -> None:
        self.params = params
        self.has_retire = retire
        tile = params.tile
        self.cores = [Core(tile.core, retire=retire) for _ in range(tile.cores)]
        self.memory = SharedMemory(tile)
        core, memory = self.cores[0].signature.members, self.memory.signature.members
        units = tile.cores + 1
        program = self.cores[0].memory.i.p.shape()
        members = {
            "number": In(unsigned(TILE_BITS)),
            "i_program": In(stream.Signature(_addressed(program.members))),
            "start": In(units),
            "start_pc": In(unsigned(ADDRESS_BITS)).array(units),
            "hold": In(units),
            "step": In(units),
            "reset": In(units),
            "i_execute": In(stream.Signature(_addressed({"word": unsigned(INSTRUCTION_BITS)}))),
            "execute_busy": Out(tile.cores),
            "execute_fault": Out(unsigned(FAULT_BITS)).array(tile.cores),
            "scalar": Out(unsigned(SCALAR_BITS)).array(tile.cores),
            "status": Out(unit_status_layout()).array(units),
            "send_status": Out(transfer_status_layout()),
            "receive_status": Out(transfer_status_layout()),
            "i_memory": memory["i_memory"],
            "o_memory": memory["o_memory"],
            "host_core": In(unsigned((MAX_CORES - 1).bit_length())),
            "host_mcu": In(unsigned((MAX_MCUS - 1).bit_length())),
            **{name: core[name] for name in ("i_command", "i_cells", "i_cells_read", "o_cells")},
            "host_busy": Out(1),
            "host_rejected": Out(1),
            "clear_counters": In(1),
            "counter_select": In(range(len(counter_names(tile)))),
            "counter_value": Out(unsigned(COUNTER_BITS)),
            "clock_enable": Out(1),
            "o_flit": Out(stream.Signature(flit_layout())),
            "i_flit": In(stream.Signature(flit_layout())),
            "array": Out(ArraySignature(tile.core.mcu)).array(tile.cores * tile.core.mcus),
        }
        if retire:
            members["retire"] = Out(RetireSignature()).array(tile.cores)
        super().__init__(members)

    def elaborate(self, platform) -> Module:
        m = Module()
        tile = self.params.tile
        last = tile.cores  # the sequencer's place among the units
        m.submodules.shared_memory = memory = self.memory
        m.submodules.network_port = port = NetworkPort()
        sequencer, send = Sequencer(self.params), SendUnit(self.params)
        receive = ReceiveUnit(self.params)
        # a worm that has begun ends first, for the network waits for its tail
        begun, asked, apply = Signal(), Signal(), Signal()
        m.d.comb += [
            begun.eq(Mux(self.o_flit.valid, ~self.o_flit.p.tail, send.worm)),
            apply.eq((self.reset[last] | asked) & ~begun),
        ]
        m.d.sync += asked.eq((self.reset[last] | asked) & begun)
        reset = ResetInserter(apply)
        m.submodules.sequencer = reset(sequencer)
        m.submodules.send_unit = reset(send)
        m.submodules.receive_unit = reset(receive)
        for number, core in enumerate(self.cores):
            m.submodules[f"core{number}"] = ResetInserter(self.reset[number])(core)
            self._connect_core(m, number, core)

        # the host
        wiring.connect(m, wiring.flipped(self.i_memory), memory.i_memory)
        wiring.connect(m, memory.o_memory, wiring.flipped(self.o_memory))
        m.d.comb += [
            memory.forget.eq(Cat(self.reset[:last], apply)),
            self.i_program.ready.eq(1),
            self.i_execute.ready.eq(1),
        ]
        for number, core in enumerate(self.cores):
            with m.If(self.i_execute.p.target == number):
                m.d.comb += self.i_execute.ready.eq(core.i_execute.ready & ~self.reset[number])

        # sequencer, send and receive unit
        self._program(m, SEQUENCER, sequencer.i_program)
        m.d.comb += [
            sequencer.start.eq(self.start[last]),
            sequencer.start_pc.eq(self.start_pc[last]),
            sequencer.hold.eq(self.hold[last]),
            sequencer.step.eq(self.step[last]),
            sequencer.send_idle.eq(send.idle),
            sequencer.send_fault.eq(send.fault),
            sequencer.send_pc.eq(send.status.pc),
            sequencer.receive_idle.eq(~receive.busy),
            sequencer.receive_fault.eq(receive.fault),
            sequencer.receive_pc.eq(receive.status.pc),
            send.issue.eq(sequencer.send),
            send.tile.eq(sequencer.tile),
            receive.issue.eq(sequencer.receive),
            receive.readers.eq(sequencer.readers),
            *(
                getattr(unit, name).eq(getattr(sequencer, name))
                for unit in (send, receive)
                for name in ("group", "words", "fifo", "pc", "watchdog")
            ),
            memory.send_ask.eq(send.ask),
            send.taken.eq(memory.send_taken),
            send.valid.eq(memory.send_valid),
            memory.receive_ask.eq(receive.ask),
            memory.receive_readers.eq(receive.ask_readers),
            receive.taken.eq(memory.receive_taken),
        ]
        for bank, group in enumerate(memory.send_group):
            m.d.comb += [
                group.eq(send.ask_group[bank]),
                send.words_in[bank].eq(memory.send_words[bank]),
                memory.receive_group[bank].eq(receive.ask_group[bank]),
                memory.receive_mask[bank].eq(receive.ask_mask[bank]),
                memory.receive_words[bank].eq(receive.ask_words[bank]),
            ]

        # the network
        wiring.connect(m, send.row, port.row)
        wiring.connect(m, receive.credit, port.credit)
        wiring.connect(m, port.o_row, receive.i_row)
        wiring.connect(m, port.o_flit, wiring.flipped(self.o_flit))
        wiring.connect(m, wiring.flipped(self.i_flit), port.i_flit)
        m.d.comb += [
            port.number.eq(self.number),
            port.worm.eq(send.worm),
            send.credit.eq(port.returned),
            send.credit_tile.eq(port.returned_tile),
            send.credit_fifo.eq(port.returned_fifo),
            send.credit_rows.eq(port.returned_rows),
        ]

        # what can be seen
        for number, core in enumerate(self.cores):
            request = core.o_memory
            store = request.p.op == MemoryOp.STORE
            refused = request.valid & ~request.ready
            self._show(
                m, number, core,
                busy=core.running,  # not by an instruction of the host: it would forget
                wait=Mux(
                    refused,
                    Mux(store, TileWait.STORE, TileWait.LOAD),
                    Mux(core.wait_matrix, TileWait.MATRIX, TileWait.NOTHING),
                ),
                group=Mux(refused, request.p.group, 0),
            )  # fmt: skip
        self._show(
            m, last, sequencer,
            busy=sequencer.running,
            wait=Mux(sequencer.waiting, TileWait.UNIT, TileWait.NOTHING),
            group=0,
        )  # fmt: skip
        for unit, status in ((send, self.send_status), (receive, self.receive_status)):
            seen = unit.status
            wait, group = _kept(m, unit.busy, seen.wait, seen.wait_group)
            m.d.comb += [status.eq(seen), status.wait.eq(wait), status.wait_group.eq(group)]

        # counters
        events = {
            "active": Cat(
                *(core.running for core in self.cores),
                sequencer.running, send.busy, receive.busy, self.i_flit.valid,
            ).any(),
            "accesses": memory.accesses,
            "conflicts": memory.conflicts,
            "misses": memory.misses,
            "sent": send.row.valid & send.row.ready,
            "received": receive.fetch,
            "credits": receive.credit.valid & receive.credit.ready,
            "instructions": sequencer.retire,
        }  # fmt: skip
        done_names, unit_names = core_events_layout().members, mcu_events_layout().members
        for number, core in enumerate(self.cores):
            events |= {
                f"core{number}.running": core.running,
                f"core{number}.wait_matrix": core.wait_matrix & core.running,
                f"core{number}.wait_memory": core.o_memory.valid & ~core.o_memory.ready,
                **{f"core{number}.{name}": core.events[name] for name in done_names},
            }
            for mcu, unit_events in enumerate(core.mcu_events):
                unit = f"core{number}.m{mcu}"
                events |= {f"{unit}.{name}": unit_events[name] for name in unit_names}
                events[f"{unit}.busy"] = core.mcu_busy[mcu]
        counts = []
        for name in counter_names(tile):
            count = Signal(COUNTER_BITS, name=name.replace(".", "_"))
            counts.append(count)
            with m.If(self.clear_counters):
                m.d.sync += count.eq(0)
            with m.Elif(events[name].any()):
                m.d.sync += count.eq(count + events[name])
        with m.Switch(self.counter_select):
            for n, count in enumerate(counts):
                with m.Case(n):
                    m.d.comb += self.counter_value.eq(count)

        # a register changes only while something is going on or comes in, or just after
        awake, lingers = Signal(), Signal()
        comes = (self.i_program, self.i_execute, self.i_memory, self.i_flit, self.o_cells)
        comes += (self.i_command, self.i_cells, self.i_cells_read)
        going_on = [asked, sequencer.running, sequencer.held, sequencer.starting, ~send.idle]
        going_on += [receive.busy, receive.credit.valid, memory.busy]
        for core in self.cores:
            going_on += [core.running, ~core.i_execute.ready, core.mcu_busy.any()]
        m.d.comb += [
            awake.eq(
                Cat(
                    *(port.valid for port in comes),
                    self.start, self.step, self.reset, self.clear_counters,
                    *going_on,
                ).any()
            ),
            self.clock_enable.eq(awake | lingers),
        ]  # fmt: skip
        m.d.sync += lingers.eq(awake)
        return m

    def _connect_core(self, m: Module, number: int, core: Core) -> None:
        """A core's ports to the memory and to the host."""
        mcus = self.params.tile.core.mcus
        wiring.connect(m, core.o_memory, self.memory.i[number])
        wiring.connect(m, self.memory.o[number], core.i_memory)
        for mcu, array in enumerate(core.array):
            wiring.connect(m, array, wiring.flipped(self.array[number * mcus + mcu]))
        if self.has_retire:
            wiring.connect(m, core.retire, wiring.flipped(self.retire[number]))
        self._program(m, number, core.i_program)
        m.d.comb += [
            core.start.eq(self.start[number]),
            core.start_pc.eq(self.start_pc[number]),
            core.hold.eq(self.hold[number]),
            core.step.eq(self.step[number]),
            core.i_execute.valid.eq(
                self.i_execute.valid & (self.i_execute.p.target == number) & ~self.reset[number]
            ),
            core.i_execute.payload.eq(self.i_execute.p.word),
            self.execute_busy[number].eq(core.execute_busy),
            self.execute_fault[number].eq(core.execute_fault),
            self.scalar[number].eq(core.scalar),
            core.host_mcu.eq(self.host_mcu),
        ]
        with m.If(self.host_core == number):
            for source, sink in (
                (self.i_command, core.i_command),
                (self.i_cells, core.i_cells),
                (self.i_cells_read, core.i_cells_read),
                (core.o_cells, self.o_cells),
            ):
                m.d.comb += [
                    sink.valid.eq(source.valid),
                    sink.payload.eq(source.payload),
                    source.ready.eq(sink.ready),
                ]
            m.d.comb += [
                self.host_busy.eq(core.host_busy),
                self.host_rejected.eq(core.host_rejected),
            ]

    def _program(self, m: Module, target: int, sink) -> None:  # type: ignore[no-untyped-def]
        """Words of a program to the unit they are for."""
        item = self.i_program.p
        m.d.comb += [
            sink.valid.eq(self.i_program.valid & (item.target == target)),
            *(sink.p[name].eq(item[name]) for name in sink.p.shape().members),
        ]

    def _show(self, m: Module, number: int, unit, *, busy, wait, group) -> None:  # type: ignore[no-untyped-def]
        """Status of a core or the sequencer."""
        status = self.status[number]
        kept_wait, kept_group = _kept(m, busy, wait, group)
        failed = unit.fault != 0
        m.d.comb += [
            status.running.eq(unit.running | unit.starting),
            status.held.eq(unit.held),
            status.fault.eq(unit.fault),
            status.pc.eq(Mux(failed, unit.fault_pc, unit.pc)),
            status.cycle.eq(Mux(failed, unit.fault_cycle, unit.cycle)),
            status.wait.eq(kept_wait),
            status.wait_group.eq(kept_group),
        ]


def _addressed(fields) -> data.StructLayout:  # type: ignore[no-untyped-def]
    """Fields of what the host sends to one of the units."""
    return data.StructLayout({"target": unsigned(UNIT_BITS), **fields})


def _kept(m: Module, busy, wait, group):  # type: ignore[no-untyped-def]
    """What a unit waits for, kept when it stops: then it says what it has waited for in vain."""
    kept_wait, kept_group = Signal(TILE_WAIT_BITS), Signal(GROUP_BITS)
    with m.If(busy):
        m.d.sync += [kept_wait.eq(wait), kept_group.eq(group)]
    return kept_wait, kept_group
