import pytest

from cocotb_tests.designs import unit_design
from hdl.tile.network_port import NetworkPort


@pytest.mark.parametrize("simulator", ["icarus", "verilator"])
def test_flits_are_chosen(simulate, simulator):
    simulate(unit_design(NetworkPort), "network_port_tb", simulator, expected=2)
