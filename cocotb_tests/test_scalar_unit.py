import pytest

from cocotb_tests.designs import unit_design
from hdl.core.scalar_unit import ScalarUnit


@pytest.mark.parametrize("simulator", ["icarus", "verilator"])
def test_registers_and_functions(simulate, simulator):
    simulate(unit_design(ScalarUnit), "scalar_unit_tb", simulator, expected=2)
