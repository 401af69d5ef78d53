import pytest

from cocotb_tests.designs import SETS, unit_design
from hdl.mcu.requantise import Requantise

CASES = [
    *((name, "icarus") for name in ("TINY", "ODD", "LANES", "WIDE", "BINARY")),
    ("LANES", "verilator"),
]


@pytest.mark.parametrize(("name", "simulator"), CASES)
def test_words_match_golden(simulate, name, simulator):
    design = unit_design(Requantise, SETS[name])
    simulate(design, "requantise_tb", simulator, expected=3, variables={"PANTHER_SET": name})
