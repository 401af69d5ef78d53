import pytest

from cocotb_tests.designs import SETS, mcu_bench

TESTS = 6


@pytest.mark.parametrize(
    ("name", "simulator"),
    [
        *[(name, "icarus") for name in SETS if not SETS[name].rows > 16],
        *[(name, "verilator") for name in ("ODD", "LANES", "SMALL_ADC6", "PAPER")],
    ],
)
def test_matches_golden(simulate, name, simulator):
    variables = {"PANTHER_SET": name}
    simulate(mcu_bench(SETS[name]), "mcu_tb", simulator, expected=TESTS, variables=variables)
