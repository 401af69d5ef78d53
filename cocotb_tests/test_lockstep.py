from cocotb_tests.designs import core_bench
from panther.arch.presets import CORES


def test_false_reports_and_hangs_are_seen(simulate):
    simulate(core_bench(CORES["SMALL"]), "lockstep_tb", "icarus", expected=2)
