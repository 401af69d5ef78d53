import pytest

from cocotb_tests.designs import CORES, unit_design
from hdl.core.instruction_memory import InstructionMemory

CASES = [
    *((name, "icarus") for name in ("SMALL_X2", "CLIP_X3", "LONG_X4")),
    ("CLIP_X3", "verilator"),
]


@pytest.mark.parametrize(("name", "simulator"), CASES)
def test_words_and_parity_are_kept(simulate, name, simulator):
    design = unit_design(InstructionMemory, CORES[name])
    variables = {"PANTHER_SET": name}
    simulate(design, "instruction_memory_tb", simulator, expected=2, variables=variables)
