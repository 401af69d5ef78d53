import pytest

from cocotb_tests.designs import SETS, twin_bench
from cocotb_tests.test_mcu import TESTS


@pytest.mark.parametrize("name", ["TINY", "ODD", "LANES", "CLIP_LANES", "SINGLE", "SIX"])
def test_passes_the_tests_of_the_unit(simulate, name):
    variables = {"PANTHER_SET": name, "PANTHER_TWIN": "1"}
    simulate(twin_bench(SETS[name]), "mcu_tb", "icarus", expected=TESTS, variables=variables)
