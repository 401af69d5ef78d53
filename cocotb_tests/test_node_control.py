import pytest

from cocotb_tests.designs import NODES, unit_design
from hdl.host.node_control import NodeControl

CASES = [("SMALLEST", "icarus"), ("WIDE", "icarus"), ("WIDE", "verilator")]


@pytest.mark.parametrize(("name", "simulator"), CASES)
def test_page_says_what_the_node_is(simulate, name, simulator):
    design = unit_design(NodeControl, NODES[name])
    simulate(design, "node_control_tb", simulator, expected=3, variables={"PANTHER_SET": name})
