import pytest

from cocotb_tests.designs import unit_design
from hdl.core.fetch import Fetch


@pytest.mark.parametrize("simulator", ["icarus", "verilator"])
def test_next_address_is_right(simulate, simulator):
    simulate(unit_design(Fetch), "fetch_tb", simulator, expected=4)
