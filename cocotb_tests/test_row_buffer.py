import pytest

from cocotb_tests.designs import SETS, unit_design
from hdl.mcu.row_buffer import RowBuffer

CASES = [
    *((name, "icarus") for name in ("TINY", "LANES", "BYTE", "FLAT", "PARALLEL")),
    ("LANES", "verilator"),
]


@pytest.mark.parametrize(("name", "simulator"), CASES)
def test_cells_pass_between_core_and_array(simulate, name, simulator):
    design = unit_design(RowBuffer, SETS[name])
    simulate(design, "row_buffer_tb", simulator, expected=5, variables={"PANTHER_SET": name})
