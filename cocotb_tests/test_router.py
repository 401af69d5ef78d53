import pytest

from cocotb_tests.designs import MESHES, unit_design
from hdl.node.router import Router

CASES = [*((name, "icarus") for name in ("3x3", "5x2")), ("5x2", "verilator")]


@pytest.mark.parametrize(("name", "simulator"), CASES)
def test_flits_leave_in_their_cycle(simulate, name, simulator):
    design = unit_design(Router, MESHES[name])
    simulate(design, "router_tb", simulator, expected=5, variables={"PANTHER_SET": name})
