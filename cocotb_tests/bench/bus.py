"""The bench of a bus slave: the slave, and a memory behind its bus."""

from amaranth import Shape
from amaranth.lib.wiring import Flow

from cocotb_tests.bench import FOLDER
from hdl.verilog import component_verilog
from panther.sim import Design

REFUSED, NOBODY = 0xE8A8, 0xF510
"""Addresses from which on the memory answers SLVERR, DECERR: in the middle of a page, of a word
of no round number."""
ADDRESS_BITS = 16


def outer_pins(component, *inner: str) -> tuple[str, str]:  # type: ignore[no-untyped-def]
    """Ports of a module around ``component``, whose members ``inner`` are not among them.

    Returns
    -------
    ports : str
        Their declarations, a comma after each.
    connected : str
        What connects the component's pins to them, a comma after each.
    """
    ports, connected = [], []
    for name, member in component.signature.members.items():
        if name not in inner:
            width = Shape.cast(member.shape).width
            span = f"[{width - 1}:0] " if width > 1 else ""
            ports.append(f"  {'input' if member.flow is Flow.In else 'output'} {span}{name},")
            connected.append(f"    .{name}({name}),\n")
    return "\n".join(ports), "".join(connected)


def bus_bench(slave) -> Design:  # type: ignore[no-untyped-def]
    """A slave with ``s_*`` pins and a ``bus`` of 16 address bits.

    The top module ``bench`` has its pins, ``clk``, ``rst`` and the memory's ``stall`` and counts.
    """
    ports, connected = outer_pins(slave, "bus")
    bus = slave.signature.members["bus"].signature
    request = 2 + ADDRESS_BITS + bus.data_bits + bus.data_bits // 8
    top = f"""\
module bench(
  input clk,
  input rst,
{ports}
  input [7:0] stall,
  output [31:0] bursts,
  output [31:0] beats,
  output [31:0] violations,
  output ending,
  output ending_write
);
  wire [{request - 1}:0] request; wire request_v, request_r;
  wire [{bus.data_bits + 1}:0] response; wire response_v, response_r;
  slave slave(
    .clk(clk), .rst(rst),
{connected}\
    .bus__request__payload(request), .bus__request__valid(request_v),
    .bus__request__ready(request_r), .bus__response__payload(response),
    .bus__response__valid(response_v), .bus__response__ready(response_r)
  );
  bus_memory #(
    .ADDRESS_BITS({ADDRESS_BITS}), .DATA_BITS({bus.data_bits}), .REFUSED({REFUSED}),
    .NOBODY({NOBODY})
  ) memory (
    .clk(clk), .rst(rst), .stall(stall), .valid(request_v), .ready(request_r),
    .payload(request), .response_valid(response_v), .response_ready(response_r),
    .response(response), .bursts(bursts), .beats(beats), .violations(violations),
    .ending(ending), .ending_write(ending_write)
  );
endmodule
"""
    memory = (FOLDER / "bus_memory.v").read_text()
    return Design(
        toplevel="bench", verilog=f"{component_verilog(slave, name='slave')}\n{memory}\n{top}"
    )
