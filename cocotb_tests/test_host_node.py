import pytest

from cocotb_tests.designs import NODES, node_bench


@pytest.mark.parametrize(("name", "simulator"), [("SMALLEST", "icarus"), ("PAIR", "verilator")])
def test_driver_and_checkpoints(simulate, name, simulator):
    design = node_bench(NODES[name])
    simulate(design, "host_node_tb", simulator, expected=2, variables={"PANTHER_SET": name})
