import pytest

from cocotb_tests.designs import unit_design
from hdl.core.vfu import Vfu


@pytest.mark.parametrize("simulator", ["icarus", "verilator"])
def test_instructions_match_golden(simulate, simulator):
    simulate(unit_design(Vfu), "vfu_tb", simulator, expected=10)
