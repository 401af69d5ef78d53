import pytest

from cocotb_tests.designs import unit_design
from hdl.core.random_words import RandomWords


@pytest.mark.parametrize("simulator", ["icarus", "verilator"])
def test_words_match_golden(simulate, simulator):
    simulate(unit_design(RandomWords), "random_words_tb", simulator, expected=2)
