"""The bench of a mesh: at every tile a script of flits and a log of those that came."""

from cocotb_tests.bench import FOLDER, clocked_top
from cocotb_tests.traffic import FLIT_BITS, FLIT_WORDS, PERIOD
from panther.arch.node import NodeParams, counter_names
from panther.sim import Design

SENDS, TAKES = 2048, 8192
"""Flits a script and a log hold."""
ENTRY_WORDS = FLIT_WORDS + 1
"""Words of 32 bits in an entry of them: a pause or a cycle, then the flit."""


def mesh_bench_design(params: NodeParams, mesh_verilog: str) -> Design:
    """A bench around the Verilog of a mesh, module ``mesh``."""
    tiles = range(params.tiles)
    pins, ports = [], []
    for tile in tiles:
        at = f"{FLIT_BITS * tile} +: {FLIT_BITS}"
        for way in ("i", "o"):
            pins += [
                f".{way}__{tile}__payload({way}_flit[{at}])",
                f".{way}__{tile}__valid({way}_valid[{tile}])",
                f".{way}__{tile}__ready({way}_ready[{tile}])",
            ]
        pins.append(f".counter_value__{tile}(counter_value[{32 * tile} +: 32])")
        links = ", ".join(
            f".{way}_flit({way}_flit[{at}]), .{way}_valid({way}_valid[{tile}]), "
            f".{way}_ready({way}_ready[{tile}])"
            for way in ("i", "o")
        )
        ports.append(
            f"  mesh_port #(.FLIT({FLIT_BITS}), .WORDS({ENTRY_WORDS}), .SENDS({SENDS}), "
            f".TAKES({TAKES})) port{tile} (\n"
            f"    .clk(clk), .start(start), .running(running), .cycle(cycle), "
            f".take(take[{tile}]),\n    {links}, .taken(taken[{tile}])\n  );"
        )
    joined = ",\n    ".join(pins)
    newline = "\n"
    network = f"""\
module network(input clk, input rst);
  wire start, running;
  wire [31:0] cycle;
  wire [{params.tiles - 1}:0] take, taken, i_valid, i_ready, o_valid, o_ready;
  wire [{FLIT_BITS * params.tiles - 1}:0] i_flit, o_flit;
  wire [{32 * params.tiles - 1}:0] counter_value;
  wire [3:0] counter_select;
  mesh mesh(
    .clk(clk), .rst(rst), .clear_counters({{{params.tiles}{{start}}}}),
    .counter_select(counter_select),
    {joined}
  );
{newline.join(ports)}
  mesh_run #(
    .TILES({params.tiles}), .PERIOD({PERIOD}), .COUNTERS({len(counter_names())})
  ) run (
    .clk(clk), .rst(rst), .start(start), .running(running), .cycle(cycle), .take(take),
    .taken(taken), .counter_select(counter_select), .counter_value(counter_value)
  );
endmodule
"""
    text = [mesh_verilog]
    text += [(FOLDER / name).read_text() for name in ("mesh_port.v", "mesh_run.v")]
    text += [network, clocked_top("  network network0(.clk(clk), .rst(rst));")]
    return Design(toplevel="bench", verilog="\n".join(text))
