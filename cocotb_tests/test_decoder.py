import pytest

from cocotb_tests.designs import unit_design
from hdl.core.decoder import Decoder


@pytest.mark.parametrize("simulator", ["icarus", "verilator"])
def test_words_are_decoded(simulate, simulator):
    simulate(unit_design(Decoder), "decoder_tb", simulator, expected=3)
