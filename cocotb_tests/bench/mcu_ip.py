"""The bench of a stand-alone matrix unit: the unit, and a converter behind its array's pins."""

from cocotb_tests.bench import FOLDER, converter_instance, pin
from cocotb_tests.bench.bus import outer_pins
from hdl.ip.mcu_ip import McuIp
from hdl.verilog import component_verilog
from panther.arch.params import McuParams
from panther.sim import Design


def mcu_ip_bench(params: McuParams) -> Design:
    """The top module ``bench`` has the unit's pins but those of its array, ``clk`` and ``rst``."""
    ip = McuIp(params)
    pins, connected = outer_pins(ip, "array")
    ports, converter = converter_instance(params)
    wires = "\n".join(f"  wire {span} {name};" for _, span, name in ports)
    array = ",\n".join(f"    .array__{pin(name)}({name})" for _, _, name in ports)
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
{array}
  );
{converter}
endmodule
"""
    converters = (FOLDER / "converter.v").read_text()
    unit = component_verilog(ip, name="mcu_ip")
    return Design(toplevel="bench", verilog=f"{unit}\n{converters}\n{top}")
