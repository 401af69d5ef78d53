import pytest

from cocotb_tests.bench.bus import ADDRESS_BITS, bus_bench
from hdl.host.axi4 import Axi4

TESTS = 12
TRANSACTIONS = {"icarus": 400, "verilator": 10_000}


@pytest.mark.parametrize("simulator", ["icarus", "verilator"])
def test_bursts_match_a_memory(simulate, simulator):
    design = bus_bench(Axi4(address_bits=ADDRESS_BITS, id_bits=3))
    variables = {"PANTHER_TRANSACTIONS": str(TRANSACTIONS[simulator])}
    simulate(design, "axi4_tb", simulator, expected=TESTS, variables=variables)
