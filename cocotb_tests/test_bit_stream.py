import pytest

from cocotb_tests.designs import SETS, unit_design
from hdl.mcu.bit_stream import BitStream

CASES = [
    *((name, "icarus") for name in ("TINY", "ODD", "LANES", "BINARY", "TALL")),
    ("LANES", "verilator"),
]


@pytest.mark.parametrize(("name", "simulator"), CASES)
def test_every_step_drives_its_bit(simulate, name, simulator):
    design = unit_design(BitStream, SETS[name])
    simulate(design, "bit_stream_tb", simulator, expected=3, variables={"PANTHER_SET": name})
