import pytest

from cocotb_tests.designs import CORES, unit_design
from hdl.core.register_file import RegisterFile

CASES = [
    *((name, "icarus") for name in ("SMALL_X2", "CLIP_X3", "LONG_X4")),
    ("CLIP_X3", "verilator"),
]


@pytest.mark.parametrize(("name", "simulator"), CASES)
def test_words_are_where_the_map_says(simulate, name, simulator):
    design = unit_design(RegisterFile, CORES[name])
    simulate(design, "register_file_tb", simulator, expected=3, variables={"PANTHER_SET": name})
