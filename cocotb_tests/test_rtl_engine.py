"""A node in RTL that stays alive, for a host outside of the simulator."""

import numpy as np
import pytest

from cocotb_tests.compiled import Training
from panther.arch.node import NodeParams
from panther.host import AccessError, Host, HostError, now
from panther.tools import SimulationError, ToolError, require_simulator
from panther.train.machine import Machine
from panther.train.rtl import RtlTransport


def test_training_goes_on_in_the_same_simulation():
    try:
        require_simulator("verilator")
    except ToolError as error:
        pytest.skip(f"NOT RUN: {error}")
    training = Training(
        network="layers", node="SQUARE", variant="V2", examples=4, batch=2, crs_period=3
    )
    expected = training.train().written
    x, labels = training.data
    with RtlTransport(training.params) as transport:
        host = Host(transport)
        now(host.identify())
        machine = Machine(host, training.compiled)
        first = {name: matrix.cells for name, matrix in training.trainer().written.items()}
        now(machine.load_cells(first))
        for start in (0, 2):
            now(machine.run(x[start : start + 2], labels[start : start + 2], batch=2))
        cells = now(machine.read_cells())
        for name, matrix in expected.items():
            np.testing.assert_array_equal(cells[name], matrix.cells, name)
            assert (cells[name] != first[name]).any()
        assert 2000 < transport.cycles < 20_000

        # parts of a group leave its other words alone
        now(host.write_memory(3, 16, np.arange(8)))
        now(host.write_memory(3, 17, [-1]))
        now(host.write_memory(3, 21, [-2, -3, -4]))
        np.testing.assert_array_equal(now(host.read_memory(3, 16, 8)), [0, -1, 2, 3, 4, -2, -3, -4])
        np.testing.assert_array_equal(now(host.read_memory(3, 18, 4)), [2, 3, 4, -2])

        # what the node refuses is told, and nothing ends without having been started
        with pytest.raises(AccessError, match=r"Access to 0xff0 must be possible: DECERR"):
            now(transport.read(0xFF0))
        assert not now(transport.wait(200))
        now(host.load(0, 0, [0]))
        with pytest.raises(HostError, match="tile 0 core 0: ILLEGAL at pc 0"):
            now(host.run({(0, 0): 0}))

    stopped = pytest.raises(SimulationError, match="design was stopped")
    with stopped, RtlTransport(training.params) as transport:
        assert now(transport.read(0))
        # a simulator that dies is noticed
        transport._stop.set()
        now(transport.read(0))


def test_missing_simulator_is_named(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with (
        pytest.raises(ToolError, match=r"icarus must be on PATH, version .* was not found"),
        RtlTransport(NodeParams(), "icarus"),
    ):
        pass
