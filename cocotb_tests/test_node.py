import pytest

from cocotb_tests.designs import NODES, node_bench


@pytest.mark.parametrize(("name", "simulator"), [("SMALLEST", "icarus"), ("PAIR", "verilator")])
def test_host_gets_what_the_map_promises(simulate, name, simulator):
    design = node_bench(NODES[name])
    simulate(design, "node_tb", simulator, expected=8, variables={"PANTHER_SET": name})
