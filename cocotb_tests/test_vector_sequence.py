import pytest

from cocotb_tests.designs import unit_design
from hdl.core.vector_sequence import VectorSequence


@pytest.mark.parametrize("simulator", ["icarus", "verilator"])
def test_vectors_go_group_by_group(simulate, simulator):
    simulate(unit_design(VectorSequence), "vector_sequence_tb", simulator, expected=4)
