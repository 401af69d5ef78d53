import pytest

from cocotb_tests.designs import NODES, unit_design
from hdl.host.tile_control import TileControl

CASES = [("SMALLEST", "icarus"), ("WIDE", "icarus"), ("WIDE", "verilator")]


@pytest.mark.parametrize(("name", "simulator"), CASES)
def test_page_matches_its_table(simulate, name, simulator):
    design = unit_design(TileControl, NODES[name])
    simulate(design, "tile_control_tb", simulator, expected=8, variables={"PANTHER_SET": name})
