import pytest

from cocotb_tests.designs import NODES, unit_design
from hdl.tile.send_unit import SendUnit

CASES = [*((name, "icarus") for name in ("ALONE", "ROW", "SQUARE")), ("ROW", "verilator")]


@pytest.mark.parametrize(("name", "simulator"), CASES)
def test_messages_are_sent(simulate, name, simulator):
    design = unit_design(SendUnit, NODES[name])
    simulate(design, "send_unit_tb", simulator, expected=6, variables={"PANTHER_SET": name})
