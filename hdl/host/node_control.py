"""Node control: the registers of page 0."""

from amaranth import Array, Module, unsigned
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.host.bus import BusSignature
from hdl.host.register_block import RegisterBlock
from hdl.host.tile_control import PAGE_BITS
from panther.arch.node import NodeParams
from panther.arch.node_registers import TILES_PER_WORD, node_registers
from panther.arch.registers import REGISTER_BITS, Access


class NodeControl(wiring.Component):
    """Says what the node is, starts its units, and sums up what its tiles say.

    Parameters
    ----------
    params : NodeParams
        The node.

    Members
    -------
    bus : In(BusSignature(address_bits=12, data_bits=32))
        Accesses to the page.
    start_armed, clear_counters : Out(1)
        Pulses to all tiles and routers.
    tile_interrupt, tile_active : In(tiles)
        What ``TileControl`` says of each tile.
    interrupt : Out(1)
        A tile has an interrupt.
    """

    def __init__(self, params: NodeParams) -> None:
        self.params = params
        self.block = RegisterBlock(node_registers(params), address_bits=PAGE_BITS)
        tiles = unsigned(params.tiles)
        super().__init__(
            {
                "bus": In(BusSignature(address_bits=PAGE_BITS, data_bits=REGISTER_BITS)),
                "start_armed": Out(1),
                "clear_counters": Out(1),
                "tile_interrupt": In(tiles),
                "tile_active": In(tiles),
                "interrupt": Out(1),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        m.submodules.block = block = self.block
        wiring.connect(m, wiring.flipped(self.bus), block.bus)
        summaries = {"interrupt": self.tile_interrupt, "active": self.tile_active}
        pulses = {"start": self.start_armed, "clear_counters": self.clear_counters}
        cell_bits = self.params.tile.core.mcu.slices.cell_bits
        m.d.comb += block.ready.eq(1)
        m.d.sync += self.interrupt.eq(self.tile_interrupt.any())
        for number, register in enumerate(block.registers):
            value = block.value[number]
            if register.name in summaries:
                bits = summaries[register.name]
                m.d.comb += value.eq(bits.word_select(block.index, TILES_PER_WORD))
            elif register.name in pulses:
                m.d.sync += pulses[register.name].eq(block.write[number] & block.data[0])
            elif register.name == "cell_bits":
                m.d.comb += value.eq(Array(cell_bits)[block.index])
            else:
                assert register.access is Access.RO
                m.d.comb += value.eq(register.reset)
        return m
