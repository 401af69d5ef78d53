import pytest

from cocotb_tests.bench.mcu_ip import arrays_verilog, mcu_ip_bench
from cocotb_tests.designs import SETS
from cocotb_tests.test_verilog import lint
from hdl.verilog import mcu_ip_verilog
from panther import sim
from panther.arch.presets import SMALL

TESTS = 13


@pytest.mark.parametrize(
    ("name", "simulator"),
    [("TINY", "icarus"), ("BYTE", "icarus"), ("LANES", "verilator")],
)
def test_matches_golden(simulate, name, simulator):
    design = mcu_ip_bench(SETS[name])
    variables = {"PANTHER_SET": name}
    simulate(design, "mcu_ip_tb", simulator, expected=TESTS, variables=variables)


@pytest.mark.parametrize("simulator", ["icarus", "verilator"])
@pytest.mark.parametrize("name", ["TINY", "LANES"])
def test_linter_is_silent(tmp_path, name, simulator):
    path = tmp_path / "mcu_ip.v"
    path.write_text(mcu_ip_verilog(SETS[name]))
    assert lint(simulator, path, "mcu_ip") == (0, "")


def test_example_matches_golden():
    example = (sim.ROOT / "examples" / "mcu_ip" / "accelerator.v").read_text()
    design = sim.Design(
        toplevel="accelerator",
        verilog="\n".join([mcu_ip_verilog(SMALL), arrays_verilog(SMALL), example]),
    )
    built = sim.build(design, "verilator", brief=True)
    result = sim.run(built, "examples.mcu_ip.accelerator_tb", seed=1, expected=1, timeout=100)
    assert not result.failures, result.failures[0].failure
