import pytest

from cocotb_tests.designs import SETS, unit_design
from hdl.mcu.xbar_out import XbarOut

CASES = [
    *((name, "icarus") for name in ("TINY", "ODD", "LANES", "TALL", "PARALLEL", "SIX")),
    ("LANES", "verilator"),
]


@pytest.mark.parametrize(("name", "simulator"), CASES)
def test_words_written_are_read(simulate, name, simulator):
    design = unit_design(XbarOut, SETS[name])
    simulate(design, "xbar_out_tb", simulator, expected=5, variables={"PANTHER_SET": name})
