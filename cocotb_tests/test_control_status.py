import pytest

from cocotb_tests.designs import CORES, unit_design
from hdl.core.control_status import ControlStatus

CASES = [
    *((name, "icarus") for name in ("SMALL_X2", "CLIP_X3")),
    ("CLIP_X3", "verilator"),
]


@pytest.mark.parametrize(("name", "simulator"), CASES)
def test_registers_hold_what_they_should(simulate, name, simulator):
    design = unit_design(ControlStatus, CORES[name])
    simulate(design, "control_status_tb", simulator, expected=2, variables={"PANTHER_SET": name})
