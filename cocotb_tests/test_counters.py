import pytest

from cocotb_tests.designs import SETS, unit_design
from hdl.mcu.counters import Counters

CASES = [
    *((name, "icarus") for name in ("TINY", "LANES", "SINGLE", "FINE", "PARALLEL")),
    ("LANES", "verilator"),
]


@pytest.mark.parametrize(("name", "simulator"), CASES)
def test_every_event_is_counted_once(simulate, name, simulator):
    design = unit_design(Counters, SETS[name])
    simulate(design, "counters_tb", simulator, expected=4, variables={"PANTHER_SET": name})
