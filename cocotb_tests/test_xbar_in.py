import pytest

from cocotb_tests.designs import SETS, unit_design
from hdl.mcu.xbar_in import XbarIn

CASES = [
    *((name, "icarus") for name in ("TINY", "ODD", "BINARY", "TALL")),
    ("ODD", "verilator"),
]


@pytest.mark.parametrize(("name", "simulator"), CASES)
def test_words_land_in_their_bank(simulate, name, simulator):
    design = unit_design(XbarIn, SETS[name])
    simulate(design, "xbar_in_tb", simulator, expected=4, variables={"PANTHER_SET": name})
