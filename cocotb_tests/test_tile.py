import pytest

from cocotb_tests.bench.tile import tile_bench_design


@pytest.mark.parametrize("simulator", ["icarus"])
def test_units_work_together(simulate, simulator):
    simulate(tile_bench_design(), "tile_tb", simulator, expected=6)
