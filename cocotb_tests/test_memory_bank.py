import pytest

from cocotb_tests.designs import TILES, unit_design
from hdl.tile.memory_bank import MemoryBank

CASES = [*((name, "icarus") for name in ("ONE", "THREE", "EIGHT")), ("EIGHT", "verilator")]


@pytest.mark.parametrize(("name", "simulator"), CASES)
def test_requests_are_taken_in_turn(simulate, name, simulator):
    design = unit_design(MemoryBank, TILES[name])
    simulate(design, "memory_bank_tb", simulator, expected=3, variables={"PANTHER_SET": name})
