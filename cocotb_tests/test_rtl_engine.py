"""A node in RTL that stays alive, for a host outside of the simulator."""

from dataclasses import replace

import numpy as np
import pytest

from cocotb_tests.compiled import Training
from panther.arch.device import DeviceParams
from panther.arch.node import NodeParams
from panther.cost import layers
from panther.cost.measure import measure, unequal
from panther.energy import load_prices
from panther.host import AccessError, Host, HostError, now
from panther.tools import SimulationError, ToolError, require_simulator
from panther.train.devices import Devices
from panther.train.engines import differences
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


def test_counters_and_so_energy_are_the_twins():
    try:
        require_simulator("verilator")
    except ToolError as error:
        pytest.skip(f"NOT RUN: {error}")
    training = Training(
        network="layers", node="SQUARE", variant="V2", examples=4, batch=2, crs_period=3
    )
    twin = measure(training.compiled, examples=4)
    rtl = measure(training.compiled, examples=4, simulator="verilator")
    assert unequal(rtl, twin) == []
    assert (rtl.engine, rtl.cycles) == ("rtl", twin.cycles)
    used = {unit[0] for unit in training.compiled.emitted}
    for tile, counters in enumerate(rtl.counters):
        assert (counters["accesses"] > 0) == (tile in used)
    assert layers.differences(rtl, layers.programs_did(twin)) == []
    prices = load_prices("panther")
    costs = [layers.account(replace(run, profiles=twin.profiles), prices) for run in (rtl, twin)]
    assert costs[0].bill.counts == costs[1].bill.counts
    assert costs[0].bill.total > 0
    assert layers.whole(costs[0]).total_j == pytest.approx(costs[0].bill.total * 4)


DEVICE = DeviceParams(
    seed=4, pulse_noise=0.2, program_noise=0.2, step_spread=0.1, nonlinearity_up=0.3,
    read_noise=0.1, adc_noise=0.2, stuck_low=0.02, wire_resistance=2.0,
)  # fmt: skip


class OnDevices(Training):
    """The same on real devices: the hardware does not know."""

    @property
    def params(self) -> NodeParams:
        node = super().params
        core = node.tile.core
        core = replace(core, mcu=replace(core.mcu, device=DEVICE))
        return replace(node, tile=replace(node.tile, core=core))


def test_devices_are_goldens():
    try:
        require_simulator("verilator")
    except ToolError as error:
        pytest.skip(f"NOT RUN: {error}")
    training = OnDevices(network="layers", node="SQUARE", examples=3, crs_period=2)
    compiled, (x, labels) = training.compiled, training.data
    expected = training.train().state()
    with RtlTransport(training.params, crossbars=compiled.crossbars) as transport:
        machine, devices = Machine(Host(transport), compiled), Devices(compiled, transport)
        first = training.trainer()
        now(machine.load_cells({name: m.written for name, m in first.matrices.items()}))
        loaded = devices.state()
        for key, value in loaded.items():
            np.testing.assert_array_equal(value, first.state()[key], key)
        now(machine.run(x, labels, batch=1))
        assert differences(devices.state(), expected) == []
        assert any((expected[key] != loaded[key]).any() for key in loaded if "cells" in key)
        # back to the beginning, and through it all again
        devices.restore(loaded)
        machine.opas = dict.fromkeys(machine.opas, 0)
        now(machine.run(x, labels, batch=1))
        assert differences(devices.state(), expected) == []


def test_missing_simulator_is_named(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with (
        pytest.raises(ToolError, match=r"icarus must be on PATH, version .* was not found"),
        RtlTransport(NodeParams(), "icarus"),
    ):
        pass
