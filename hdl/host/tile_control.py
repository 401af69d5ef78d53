"""Tile control: the registers of a tile's page."""

from amaranth import Array, C, Cat, Module, Signal, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.core.scalar_unit import SCALAR_BITS
from hdl.host.bus import BusSignature
from hdl.host.register_block import RegisterBlock, masked
from hdl.tile.send_unit import transfer_status_layout
from hdl.tile.tile import unit_status_layout
from panther.arch.core import ADDRESS_BITS, FAULT_BITS
from panther.arch.isa import INSTRUCTION_BITS
from panther.arch.mcu import COUNTER_BITS
from panther.arch.node import NodeParams
from panther.arch.node import counter_names as router_counter_names
from panther.arch.node_registers import FAULT_LSB, PAGE_BYTES, tile_registers, units
from panther.arch.registers import REGISTER_BITS
from panther.arch.tile import (
    UNIT_BITS,
    UNITS,
    counter_names,
)

PAGE_BITS = (PAGE_BYTES - 1).bit_length()
COUNTER_CYCLES = 3
"""From the choice of a counter to its count."""
PATIENCE = 63
"""Cycles an instruction is offered to a core that should take it."""


def execute_layout() -> data.StructLayout:
    """An instruction for a core that does not run."""
    return data.StructLayout({"target": unsigned(UNIT_BITS), "word": unsigned(INSTRUCTION_BITS)})


class TileControl(wiring.Component):
    """Registers of ``TILE_REGISTERS`` and ``UNIT_REGISTERS``, and what they do in the tile.

    A unit's interrupt rises in the cycle after the first one in which it neither runs nor is held
    any more, unless it is in reset. In arrays of ``cores + 1`` the sequencer is last.

    Parameters
    ----------
    params : NodeParams
        What a tile has.

    Members
    -------
    bus : In(BusSignature(address_bits=12, data_bits=32))
        Accesses to the page.
    start_armed : In(1)
        Every armed unit begins.
    interrupt : Out(1)
        One that is enabled is pending.
    active : Out(1)
        A unit runs or is held.
    start, hold, step, reset : Out(cores + 1)
        To the units: pulses of start and step, levels of hold and reset.
    start_pc : Out(13).array(cores + 1)
        Where they begin.
    status : In(unit_status_layout()).array(cores + 1)
        What they do.
    send_status, receive_status : In(transfer_status_layout())
        What those units do.
    o_execute : Out(stream.Signature(execute_layout()))
        Instructions.
    execute_busy, execute_fault : In(cores), In(4).array(cores)
        What becomes of them.
    scalar : In(32).array(cores)
        Value each core last wrote to a scalar register.
    counter_select, counter_value : Out(range(counters)), In(32)
        Performance counters of the tile; counts come at most three cycles after the choice.
    router_select, router_value : Out(range(10)), In(32)
        Those of its router; 0 while none of them is wanted.
    """

    o_execute: stream.Interface

    def __init__(self, params: NodeParams) -> None:
        self.params = params
        self.block = RegisterBlock(tile_registers(params), address_bits=PAGE_BITS)
        cores = params.tile.cores
        count = cores + 1
        super().__init__(
            {
                "bus": In(BusSignature(address_bits=PAGE_BITS, data_bits=REGISTER_BITS)),
                "start_armed": In(1),
                "interrupt": Out(1),
                "active": Out(1),
                "start": Out(count),
                "hold": Out(count),
                "step": Out(count),
                "reset": Out(count),
                "start_pc": Out(unsigned(ADDRESS_BITS)).array(count),
                "status": In(unit_status_layout()).array(count),
                "send_status": In(transfer_status_layout()),
                "receive_status": In(transfer_status_layout()),
                "o_execute": Out(stream.Signature(execute_layout())),
                "execute_busy": In(cores),
                "execute_fault": In(unsigned(FAULT_BITS)).array(cores),
                "scalar": In(unsigned(SCALAR_BITS)).array(cores),
                "counter_select": Out(range(len(counter_names(params.tile)))),
                "counter_value": In(unsigned(COUNTER_BITS)),
                "router_select": Out(range(len(router_counter_names()))),
                "router_value": In(unsigned(COUNTER_BITS)),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        m.submodules.block = block = self.block
        wiring.connect(m, wiring.flipped(self.bus), block.bus)
        m.d.comb += block.ready.eq(1)

        def written(name: str):  # type: ignore[no-untyped-def]
            return block.write[block.number(name)]

        def value(name: str):  # type: ignore[no-untyped-def]
            return block.value[block.number(name)]

        # sets of units: bit u is unit u in a register, the sequencer is last in the tile
        places = units(self.params)

        def to_tile(bits):  # type: ignore[no-untyped-def]
            return Cat(bits[place] for place in places)

        def to_register(bits):  # type: ignore[no-untyped-def]
            return Cat(bits[places.index(u)] if u in places else C(0, 1) for u in range(UNITS))

        def kept(name: str, count: int):  # type: ignore[no-untyped-def]
            """A register that keeps what is written to its lowest ``count`` bits."""
            register = Signal(count, name=name)
            m.d.comb += value(name).eq(register)
            with m.If(written(name)):
                m.d.sync += register.eq(masked(block, register))
            return register

        count = len(places)
        arm, hold, reset = (Signal(count, name=name) for name in ("arm", "hold_units", "in_reset"))
        for name, bits in (("arm", arm), ("hold", hold), ("reset", reset)):
            m.d.comb += value(name).eq(to_register(bits))
            with m.If(written(name)):
                m.d.sync += bits.eq(to_tile(masked(block, to_register(bits))))
        m.d.comb += [
            self.hold.eq(hold),
            self.reset.eq(reset),
            self.start.eq(arm & self.start_armed.replicate(count)),
        ]
        with m.If(written("step")):
            m.d.comb += self.step.eq(to_tile(block.data))

        # a unit that no longer runs, nor is held, has come to its end
        running = Cat(status.running for status in self.status)
        held = Cat(status.held for status in self.status)
        faulty = Cat(status.fault != 0 for status in self.status)
        before = Signal(count)
        ended, pending, enabled = Signal(count), Signal(2 * count), Signal(2 * count)
        m.d.comb += [
            ended.eq(before & ~running & ~held & ~reset),
            value("running").eq(to_register(running)),
            value("held").eq(to_register(held)),
        ]
        m.d.sync += [
            before.eq(running | held),
            self.active.eq((running | held).any()),
            self.interrupt.eq((pending & enabled).any()),
        ]

        def both_to_register(bits):  # type: ignore[no-untyped-def]
            halts, faults = to_register(bits[:count]), to_register(bits[count:])
            return halts | (faults << FAULT_LSB)

        def both_to_tile(bits):  # type: ignore[no-untyped-def]
            return Cat(to_tile(bits), to_tile(bits[FAULT_LSB:]))

        m.d.comb += [
            value("interrupt").eq(both_to_register(pending)),
            value("interrupt_enable").eq(both_to_register(enabled)),
        ]
        with m.If(written("interrupt_enable")):
            m.d.sync += enabled.eq(both_to_tile(masked(block, both_to_register(enabled))))
        cleared = Signal(2 * count)
        with m.If(written("interrupt")):
            m.d.comb += cleared.eq(both_to_tile(block.data))
        m.d.sync += pending.eq((pending & ~cleared) | Cat(ended & ~faulty, ended & faulty))

        for name, transfer in (("send", self.send_status), ("receive", self.receive_status)):
            self._show(m, name + "_status", busy=transfer.busy, wait=transfer.wait,
                       tile=transfer.tile, fifo=transfer.fifo)  # fmt: skip
            self._show(m, name + "_place", pc=transfer.pc, group=transfer.wait_group)

        for n, unit in enumerate(places):
            status, prefix = self.status[n], f"u{unit}_"
            m.d.comb += self.start_pc[n].eq(kept(prefix + "start_pc", ADDRESS_BITS))
            self._show(m, prefix + "status", running=status.running, held=status.held,
                       fault=status.fault, pc=status.pc)  # fmt: skip
            self._show(m, prefix + "cycle", cycle=status.cycle)
            self._show(m, prefix + "wait", kind=status.wait, group=status.wait_group)

        # instructions of the host: refused, or offered until they are taken
        patience = Signal(range(PATIENCE + 1))
        lows = Array(kept(f"u{core}_execute_low", REGISTER_BITS) for core in places[:-1])
        word = self.o_execute.p.word
        for core in places[:-1]:
            self._show(m, f"u{core}_scalar", value=self.scalar[core])
            self._show(m, f"u{core}_execute_status", busy=self.execute_busy[core],
                       fault=self.execute_fault[core])  # fmt: skip
            with m.If(written(f"u{core}_execute_high")):
                m.d.comb += [
                    self.o_execute.p.target.eq(core),
                    word.eq(Cat(lows[core], block.data)),
                    block.ready.eq(self.o_execute.ready),
                ]
                bad = running[core] | reset[core] | self.execute_busy[core] | ~block.mask.all()
                with m.If((bad & (patience == 0)) | (patience == PATIENCE)):
                    m.d.comb += [block.ready.eq(1), block.refused.eq(1)]
                with m.Else():
                    m.d.comb += self.o_execute.valid.eq(1)
        m.d.sync += patience.eq(0)
        with m.If(self.o_execute.valid & ~self.o_execute.ready):
            m.d.sync += patience.eq(patience + 1)

        # a counter is chosen, then comes its count
        for name, select, count_value in (
            ("counter", self.counter_select, self.counter_value),
            ("router_counter", self.router_select, self.router_value),
        ):
            passed = Signal(range(COUNTER_CYCLES + 1), name=f"{name}_passed")
            m.d.comb += value(name).eq(count_value)
            m.d.sync += passed.eq(0)
            with m.If(block.read[block.number(name)]):
                m.d.comb += [select.eq(block.index), block.ready.eq(passed == COUNTER_CYCLES)]
                with m.If(passed != COUNTER_CYCLES):
                    m.d.sync += passed.eq(passed + 1)
        return m

    def _show(self, m: Module, register: str, **values) -> None:  # type: ignore[no-untyped-def]
        """Fields of a register that is only read."""
        number = self.block.number(register)
        for name, shown in values.items():
            field = self.block.registers[number].field(name)
            m.d.comb += self.block.value[number][field.lsb : field.lsb + field.bits].eq(shown)
