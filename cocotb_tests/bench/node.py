"""The bench of a node: converters behind its matrix units; clock, reset and buses are its pins."""

from amaranth import Shape
from amaranth.lib.wiring import Flow

from cocotb_tests.bench import FOLDER, converter_instance, pin
from hdl.host.axi4 import axi4_members
from hdl.host.axi_lite import axi_lite_members
from hdl.node.node import ID_BITS
from panther.arch.node import NodeParams
from panther.arch.node_registers import control_bits, memory_bits
from panther.sim import Design


def node_bench_design(params: NodeParams, node_verilog: str) -> Design:
    """A node whose Verilog has no retire ports, with a converter behind unit n in ``unit{n}``."""
    mcu = params.tile.core.mcu
    units = params.tiles * params.tile.cores * params.tile.core.mcus
    ports, converter = converter_instance(mcu)
    declared = ",\n  ".join(f"{way} {width} {name}" for way, width, name in ports)
    wires, connected, instances = [], [], []
    for n in range(units):
        wires += [f"  wire {width} u{n}_{name};" for _, width, name in ports]
        connected += [f".array__{n}__{pin(name)}(u{n}_{name})" for _, _, name in ports]
        links = ", ".join(f".{name}(u{n}_{name})" for _, _, name in ports)
        instances.append(f"  pins unit{n}(.clk(clk), .rst(rst), {links});")
    pins = {**axi_lite_members(control_bits(params)), **axi4_members(memory_bits(params), ID_BITS)}
    outer = []
    for name, member in pins.items():
        width = Shape.cast(member.shape).width
        way = "input" if member.flow == Flow.In else "output"
        outer.append(f"  {way} [{width - 1}:0] {name},")
        connected.append(f".{name}({name})")
    newline = "\n"
    top = f"""\
module pins(
  input clk, input rst,
  {declared}
);
{converter}
endmodule
module bench(
  input clk,
  input rst,
{newline.join(outer)}
  output irq,
  output [{params.tiles - 1}:0] clock_enable
);
{newline.join(wires)}
  node node(
    .clk(clk), .rst(rst), .irq(irq), .clock_enable(clock_enable),
    {f",{newline}    ".join(connected)}
  );
{newline.join(instances)}
endmodule
"""
    converters = (FOLDER / "converter.v").read_text()
    return Design(toplevel="bench", verilog=f"{node_verilog}\n{converters}\n{top}")
