import pytest

from cocotb_tests.fan_out_tb import DATA_BITS, SHAPES
from hdl.host.fan_out import FanOut
from hdl.verilog import component_verilog
from panther.sim import Design

CASES = [*((name, "icarus") for name in SHAPES), ("THREE", "verilator")]


@pytest.mark.parametrize(("name", "simulator"), CASES)
def test_accesses_reach_their_bus(simulate, name, simulator):
    buses, low_bits, address_bits = SHAPES[name]
    unit = FanOut(buses, low_bits=low_bits, address_bits=address_bits, data_bits=DATA_BITS)
    design = Design(toplevel="dut", verilog=component_verilog(unit, name="dut"))
    simulate(design, "fan_out_tb", simulator, expected=2, variables={"PANTHER_SHAPE": name})
