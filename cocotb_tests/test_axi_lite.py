import pytest

from cocotb_tests.bench.bus import ADDRESS_BITS, bus_bench
from hdl.host.axi_lite import AxiLite

TESTS = 11
TRANSACTIONS = {"icarus": 400, "verilator": 4000}


@pytest.mark.parametrize("simulator", ["icarus", "verilator"])
def test_accesses_match_a_memory(simulate, simulator):
    design = bus_bench(AxiLite(address_bits=ADDRESS_BITS))
    variables = {"PANTHER_TRANSACTIONS": str(TRANSACTIONS[simulator])}
    simulate(design, "axi_lite_tb", simulator, expected=TESTS, variables=variables)
