import pytest

from cocotb_tests.designs import NODES, unit_design
from hdl.tile.sequencer import Sequencer

CASES = [*((name, "icarus") for name in ("ALONE", "SQUARE")), ("ROW", "verilator")]


@pytest.mark.parametrize(("name", "simulator"), CASES)
def test_programs_are_run(simulate, name, simulator):
    design = unit_design(Sequencer, NODES[name])
    simulate(design, "sequencer_tb", simulator, expected=5, variables={"PANTHER_SET": name})
