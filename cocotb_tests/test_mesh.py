import pytest

from cocotb_tests.designs import MESHES, mesh_bench

CASES = [
    *((name, "icarus") for name in ("3x2", "1x4", "1x1")),
    ("4x4", "verilator"),
]


@pytest.mark.parametrize(("name", "simulator"), CASES)
def test_flits_arrive(simulate, name, simulator):
    simulate(
        mesh_bench(MESHES[name]), "mesh_tb", simulator, expected=7, variables={"PANTHER_SET": name}
    )
