import pytest

from cocotb_tests.designs import core_bench
from panther.arch.presets import CORES


@pytest.mark.parametrize("simulator", ["verilator", "icarus"])
def test_host_holds_steps_and_executes(simulate, simulator):
    simulate(core_bench(CORES["SMALL"]), "core_host_tb", simulator, expected=6)
