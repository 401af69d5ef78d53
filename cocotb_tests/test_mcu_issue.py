import pytest

from cocotb_tests.designs import CORES, unit_design
from hdl.core.mcu_issue import McuIssue

CASES = [
    *((name, "icarus") for name in ("SMALL_X2", "CLIP_X3")),
    ("CLIP_X3", "verilator"),
]


@pytest.mark.parametrize(("name", "simulator"), CASES)
def test_operations_are_handed_over_in_order(simulate, name, simulator):
    design = unit_design(McuIssue, CORES[name])
    simulate(design, "mcu_issue_tb", simulator, expected=2, variables={"PANTHER_SET": name})
