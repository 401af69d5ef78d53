from cocotb_tests.bench.tile import tile_bench_design


def test_units_work_together(simulate):
    simulate(tile_bench_design(), "tile_tb", "icarus", expected=6)
