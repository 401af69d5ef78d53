import pytest

from cocotb_tests.designs import NODES, unit_design
from hdl.tile.receive_unit import ReceiveUnit

CASES = [*((name, "icarus") for name in ("ALONE", "ROW", "SQUARE")), ("ROW", "verilator")]


@pytest.mark.parametrize(("name", "simulator"), CASES)
def test_messages_are_stored(simulate, name, simulator):
    design = unit_design(ReceiveUnit, NODES[name])
    simulate(design, "receive_unit_tb", simulator, expected=5, variables={"PANTHER_SET": name})
