import pytest

from cocotb_tests.designs import unit_design
from hdl.core.divider import Divider


@pytest.mark.parametrize("simulator", ["icarus", "verilator"])
def test_quotients_match_golden(simulate, simulator):
    simulate(unit_design(Divider), "divider_tb", simulator, expected=3)
