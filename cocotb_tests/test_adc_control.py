import pytest

from cocotb_tests.designs import SETS, unit_design
from hdl.mcu.adc_control import AdcControl

CASES = [
    *((name, "icarus") for name in ("TINY", "LANES", "SINGLE", "TALL", "PARALLEL")),
    ("LANES", "verilator"),
]


@pytest.mark.parametrize(("name", "simulator"), CASES)
def test_a_group_of_lines_is_converted_each_cycle(simulate, name, simulator):
    design = unit_design(AdcControl, SETS[name])
    simulate(design, "adc_control_tb", simulator, expected=4, variables={"PANTHER_SET": name})
