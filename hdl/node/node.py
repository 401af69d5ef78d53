"""Node: tiles on a mesh, and the host's two ways to them."""

from functools import reduce
from operator import or_

from amaranth import Cat, Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out, connect

from hdl.analog import ArraySignature
from hdl.core.core import RetireSignature
from hdl.host import axi4, axi_lite
from hdl.host.axi4 import Axi4, axi4_members
from hdl.host.axi_lite import AxiLite, axi_lite_members
from hdl.host.fan_out import FanOut
from hdl.host.node_control import NodeControl
from hdl.host.tile_control import PAGE_BITS, TileControl
from hdl.host.windows import TILE_ADDRESS_BITS, Windows
from hdl.node.mesh import Mesh
from hdl.tile.tile import Tile
from panther.arch.node import NodeParams
from panther.arch.node_registers import control_bits, memory_bits

ID_BITS = 8
"""Width of the ids of AXI4."""


class Node(wiring.Component):
    """Tiles, network and host interfaces; ``docs/node.md`` and ``docs/registers.md`` say the rest.

    Parameters
    ----------
    params : NodeParams
        Everything about the node.
    retire : bool
        Whether its cores have retire ports.

    Members
    -------
    s_axil_* :
        AXI4-Lite slave, control registers; see ``axi_lite_members``.
    s_axi_* :
        AXI4 slave, memories, programs and cells; see ``axi4_members``.
    irq : Out(1)
        An interrupt that is enabled is pending.
    clock_enable : Out(tiles)
        Which tiles need their clock in this cycle.
    array : Out(ArraySignature(params.tile.core.mcu)).array(tiles * cores * mcus)
        The analog arrays: that of matrix unit m of core c of tile t is number
        ``(t * cores + c) * mcus + m``.
    retire : Out(RetireSignature()).array(tiles * cores)
        Core c of tile t at ``t * cores + c``. Absent by default.
    """

    def __init__(self, params: NodeParams, *, retire: bool = False) -> None:
        self.params = params
        self.has_retire = retire
        self.tiles = [Tile(params, retire=retire) for _ in range(params.tiles)]
        cores = params.tiles * params.tile.cores
        core = params.tile.core
        members = {
            **axi_lite_members(control_bits(params)),
            **axi4_members(memory_bits(params), ID_BITS),
            "irq": Out(1),
            "clock_enable": Out(params.tiles),
            "array": Out(ArraySignature(core.mcu)).array(cores * core.mcus),
        }
        if retire:
            members["retire"] = Out(RetireSignature()).array(cores)
        super().__init__(members)

    def elaborate(self, platform) -> Module:
        m = Module()
        params = self.params
        m.submodules.mesh = mesh = Mesh(params)
        m.submodules.axi_lite = control_port = AxiLite(address_bits=control_bits(params))
        m.submodules.axi4 = memory_port = Axi4(address_bits=memory_bits(params), id_bits=ID_BITS)
        for port in (control_port, memory_port):
            for name, member in port.signature.members.items():
                if name != "bus":
                    outer, inner = getattr(self, name), getattr(port, name)
                    m.d.comb += inner.eq(outer) if member.flow is In else outer.eq(inner)
        m.submodules.control_fan_out = pages = FanOut(
            1 + params.tiles,
            low_bits=PAGE_BITS,
            address_bits=control_bits(params),
            data_bits=axi_lite.DATA_BITS,
        )
        m.submodules.memory_fan_out = memories = FanOut(
            params.tiles,
            low_bits=TILE_ADDRESS_BITS,
            address_bits=memory_bits(params),
            data_bits=axi4.DATA_BITS,
        )
        m.submodules.control = control = NodeControl(params)
        connect(m, control_port.bus, pages.bus)
        connect(m, memory_port.bus, memories.bus)
        connect(m, pages.o[0], control.bus)

        tile_controls = []
        for n, tile in enumerate(self.tiles):
            m.submodules[f"tile{n}"] = tile
            m.submodules[f"tile_control{n}"] = registers = TileControl(params)
            m.submodules[f"windows{n}"] = windows = Windows(params)
            tile_controls.append(registers)
            connect(m, pages.o[1 + n], registers.bus)
            connect(m, memories.o[n], windows.bus)
            m.d.comb += tile.number.eq(n)
            self._control(m, control, registers, tile)
            self._windows(m, windows, registers, tile)
            connect(m, tile.o_flit, mesh.i[n])
            connect(m, mesh.o[n], tile.i_flit)
            m.d.comb += [
                mesh.clear_counters[n].eq(control.clear_counters),
                registers.router_value.eq(mesh.counter_value[n]),
                self.clock_enable[n].eq(tile.clock_enable),
            ]
            self._share(m, tile.array, self.array, n)
            if self.has_retire:
                self._share(m, tile.retire, self.retire, n)
        m.d.comb += [
            # all but the one that is asked say 0
            mesh.counter_select.eq(reduce(or_, (page.router_select for page in tile_controls))),
            control.tile_interrupt.eq(Cat(page.interrupt for page in tile_controls)),
            control.tile_active.eq(Cat(page.active for page in tile_controls)),
            self.irq.eq(control.interrupt),
        ]
        return m

    @staticmethod
    def _control(m: Module, control: NodeControl, registers: TileControl, tile: Tile) -> None:
        m.d.comb += [registers.start_armed.eq(control.start_armed)]
        connect(m, registers.o_execute, tile.i_execute)
        for name in ("start", "hold", "step", "reset", "counter_select"):
            m.d.comb += getattr(tile, name).eq(getattr(registers, name))
        for name in ("send_status", "receive_status", "execute_busy", "counter_value"):
            m.d.comb += getattr(registers, name).eq(getattr(tile, name))
        for start_pc, its in zip(tile.start_pc, registers.start_pc, strict=True):
            m.d.comb += start_pc.eq(its)
        for name in ("status", "scalar", "execute_fault"):
            for its, shown in zip(getattr(registers, name), getattr(tile, name), strict=True):
                m.d.comb += its.eq(shown)
        m.d.comb += tile.clear_counters.eq(control.clear_counters)

    @staticmethod
    def _windows(m: Module, windows: Windows, registers: TileControl, tile: Tile) -> None:
        m.d.comb += [
            windows.running.eq(Cat(status.running for status in tile.status)),
            windows.reset.eq(registers.reset),
            tile.host_core.eq(windows.host_core),
            tile.host_mcu.eq(windows.host_mcu),
            windows.host_busy.eq(tile.host_busy),
        ]
        for name in ("program", "memory", "command", "cells", "cells_read"):
            connect(m, getattr(windows, f"o_{name}"), getattr(tile, f"i_{name}"))
        for name in ("memory", "cells"):
            connect(m, getattr(tile, f"o_{name}"), getattr(windows, f"i_{name}"))

    @staticmethod
    def _share(m: Module, inner, outer, n: int) -> None:  # type: ignore[no-untyped-def]
        """Ports of tile ``n`` among those of all tiles, in their order."""
        for place, port in enumerate(inner):
            connect(m, port, wiring.flipped(outer[n * len(inner) + place]))
