import pytest

from cocotb_tests.bench.mcu_ip import mcu_ip_bench
from cocotb_tests.designs import SETS

TESTS = 13


@pytest.mark.parametrize(
    ("name", "simulator"),
    [("TINY", "icarus"), ("LANES", "verilator"), ("SMALL", "verilator")],
)
def test_matches_golden(simulate, name, simulator):
    design = mcu_ip_bench(SETS[name])
    variables = {"PANTHER_SET": name}
    simulate(design, "mcu_ip_tb", simulator, expected=TESTS, variables=variables)
