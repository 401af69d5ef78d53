import pytest

from cocotb_tests.register_block_tb import ADDRESS_BITS, TABLE
from hdl.host.register_block import RegisterBlock
from hdl.verilog import component_verilog
from panther.sim import Design


@pytest.mark.parametrize("simulator", ["icarus", "verilator"])
def test_owner_sees_what_the_table_allows(simulate, simulator):
    block = RegisterBlock(TABLE, address_bits=ADDRESS_BITS)
    design = Design(toplevel="dut", verilog=component_verilog(block, name="dut"))
    simulate(design, "register_block_tb", simulator, expected=1)
