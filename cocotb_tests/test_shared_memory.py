import pytest

from cocotb_tests.designs import TILES, unit_design
from hdl.tile.shared_memory import SharedMemory

CASES = [*((name, "icarus") for name in ("ONE", "THREE", "EIGHT")), ("EIGHT", "verilator")]


@pytest.mark.parametrize(("name", "simulator"), CASES)
def test_every_cycle_is_as_in_the_twin(simulate, name, simulator):
    design = unit_design(SharedMemory, TILES[name])
    simulate(design, "shared_memory_tb", simulator, expected=7, variables={"PANTHER_SET": name})
