"""The bench of a stand-alone matrix unit: the unit, and arrays behind its pins."""

from cocotb_tests.bench import FOLDER, converter_instance, pin
from cocotb_tests.bench.bus import outer_pins
from hdl.ip.mcu_ip import McuIp
from hdl.verilog import component_verilog
from panther.arch.params import McuParams
from panther.sim import Design


def arrays_verilog(params: McuParams) -> str:
    """Module ``arrays``: the arrays of one unit, which the analog bridge serves."""
    ports, converter = converter_instance(params)
    pins = "".join(f",\n  {direction} {span} {name}" for direction, span, name in ports)
    return f"""\
{(FOLDER / "converter.v").read_text()}
module arrays(
  input clk,
  input rst{pins}
);
{converter}
endmodule
"""


def mcu_ip_bench(params: McuParams) -> Design:
    """The top module ``bench`` has the unit's pins but those of its array, ``clk`` and ``rst``."""
    ip = McuIp(params)
    pins, connected = outer_pins(ip, "array")
    ports, _ = converter_instance(params)
    wires = "\n".join(f"  wire {span} {name};" for _, span, name in ports)
    inner = ",\n".join(f"    .array__{pin(name)}({name})" for _, _, name in ports)
    outer = ", ".join(f".{name}({name})" for _, _, name in ports)
    top = f"""\
module bench(
{pins}
  input clk,
  input rst
);
{wires}
  mcu_ip ip(
    .clk(clk), .rst(rst),
{connected}\
{inner}
  );
  arrays arrays(.clk(clk), .rst(rst), {outer});
endmodule
"""
    unit = component_verilog(ip, name="mcu_ip")
    return Design(toplevel="bench", verilog=f"{unit}\n{arrays_verilog(params)}\n{top}")
