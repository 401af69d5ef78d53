"""The bench of a tile: with a router of its own, and once more behind a clock gate."""

from amaranth import Cat, ClockSignal, Instance, Module, ResetSignal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.node.router import Router
from hdl.tile.tile import Tile
from hdl.verilog import component_verilog
from panther.arch.core import CoreParams
from panther.arch.node import NodeParams, Port
from panther.arch.params import McuParams, SliceParams, TimingParams
from panther.arch.tile import TileParams
from panther.sim import Design

PARAMS = NodeParams(
    width=1, height=1,
    tile=TileParams(
        cores=2, instructions=32, fifos=2, fifo_rows=12,
        core=CoreParams(
            mcu=McuParams(
                rows=4, columns=4, slices=SliceParams(cell_bits=(6, 5)),
                timing=TimingParams(integrate_cycles=2, program_cycles=2),
            ),
            mcus=1, registers=64, instructions=32, memory_words=128, memory_cycles=9,
        ),
    ),
)  # fmt: skip
"""A tile of two cores that sends to itself."""
INNER = ("number", "o_flit", "i_flit", "array")
CELLS = """\
module clock_gate(input clk, input enable, output gated);
  reg open = 1'b1;
  always @* if (!clk) open = enable;
  assign gated = clk & open;
endmodule
module unlike #(parameter WIDTH = 1) (
  input [WIDTH - 1:0] a, input [WIDTH - 1:0] b, output differs
);
  assign differs = a !== b;  // a memory's output is X until it is read
endmodule
"""


class TileBench(wiring.Component):
    """Two tiles, the second one with a clock only when it says that it needs one.

    Parameters
    ----------
    tile : wiring.Signature
        Of the tile, which is module ``panther_tile``.

    Members
    -------
    As of a tile, but for those in ``INNER``: flits go through a router and come back, converters
    say 0.
    differs : Out(1)
        An output of the tiles is not the same.
    gate : Out(1)
        The clock of the second one.
    """

    def __init__(self, tile: wiring.Signature) -> None:
        self.tile = tile
        members = {name: item for name, item in self.tile.members.items() if name not in INNER}
        super().__init__({**members, "differs": Out(1), "gate": Out(1)})

    def elaborate(self, platform) -> Module:
        m = Module()
        m.submodules.router = router = Router(PARAMS)
        tile, second = self.tile.create(), self.tile.create(path=("gated",))
        ports = {path: (member.flow, pin) for path, member, pin in self.tile.flatten(tile)}
        seconds = {path: pin for path, _, pin in self.tile.flatten(second)}
        m.submodules.clock_gate = Instance(
            "clock_gate", i_clk=ClockSignal(), i_enable=second.clock_enable | ResetSignal(),
            o_gated=self.gate,
        )  # fmt: skip
        first_pins, second_pins, outputs = {}, {}, []
        for path, (flow, pin) in ports.items():
            name = "__".join(str(part) for part in path)
            if flow == In:
                first_pins[f"i_{name}"] = second_pins[f"i_{name}"] = pin
            else:
                first_pins[f"o_{name}"], second_pins[f"o_{name}"] = pin, seconds[path]
                outputs.append((pin, seconds[path]))
        m.submodules.tile = Instance(
            "panther_tile", i_clk=ClockSignal(), i_rst=ResetSignal(), **first_pins
        )
        m.submodules.gated = Instance(
            "panther_tile", i_clk=self.gate, i_rst=ResetSignal(), **second_pins
        )
        wiring.connect(m, tile.o_flit, router.i[Port.LOCAL])
        wiring.connect(m, router.o[Port.LOCAL], tile.i_flit)
        for path, member, pin in self.signature.flatten(self):
            if path in ports:
                inner = ports[path][1]
                m.d.comb += inner.eq(pin) if member.flow == In else pin.eq(inner)
        a, b = (Cat(pins) for pins in zip(*outputs, strict=True))
        m.submodules.unlike = Instance(
            "unlike", p_WIDTH=len(a), i_a=a, i_b=b, o_differs=self.differs
        )
        return m


def tile_bench_design() -> Design:
    """The bench with a tile of ``PARAMS``."""
    tile = Tile(PARAMS, retire=True)
    text = component_verilog(tile, name="panther_tile")
    bench = component_verilog(TileBench(tile.signature), name="bench")
    return Design(toplevel="bench", verilog=f"{text}\n{bench}\n{CELLS}")
