import pytest

from cocotb_tests.designs import SETS, unit_design
from hdl.mcu.shift_add import ShiftAdd


@pytest.mark.parametrize("simulator", ["icarus", "verilator"])
@pytest.mark.parametrize("name", ["TINY", "LANES", "CLIP"])
def test_sums_match(simulate, name, simulator):
    design = unit_design(ShiftAdd, SETS[name])
    simulate(design, "shift_add_tb", simulator, expected=2, variables={"PANTHER_SET": name})
