import pytest

from cocotb_tests.designs import unit_design
from hdl.core.function_table import FunctionTable


@pytest.mark.parametrize("simulator", ["icarus", "verilator"])
def test_results_match_golden(simulate, simulator):
    simulate(unit_design(FunctionTable), "function_table_tb", simulator, expected=5)
