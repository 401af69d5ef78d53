import pytest

from cocotb_tests.designs import NODES, unit_design
from hdl.host.windows import Windows

CASES = [("SMALLEST", "icarus"), ("WIDE", "icarus"), ("WIDE", "verilator")]


@pytest.mark.parametrize(("name", "simulator"), CASES)
def test_windows_match_the_map(simulate, name, simulator):
    design = unit_design(Windows, NODES[name])
    simulate(design, "windows_tb", simulator, expected=7, variables={"PANTHER_SET": name})
