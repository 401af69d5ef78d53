import pytest

from cocotb_tests.designs import CORES, unit_design
from hdl.core.load_store import LoadStore

CASES = [
    *((name, "icarus") for name in ("SMALL_X2", "CLIP_X3")),
    ("CLIP_X3", "verilator"),
]


@pytest.mark.parametrize(("name", "simulator"), CASES)
def test_transfers_go_group_by_group(simulate, name, simulator):
    design = unit_design(LoadStore, CORES[name])
    simulate(design, "load_store_tb", simulator, expected=9, variables={"PANTHER_SET": name})
