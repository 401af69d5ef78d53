"""The driver on a node in RTL: sessions and checkpoints, compared with the transaction level."""

import logging
import tempfile
from pathlib import Path

import cocotb
import numpy as np
import pytest

from cocotb_tests.analog_bridge import AnalogBridge
from cocotb_tests.axi_transport import AxiTransport
from cocotb_tests.bus_master import agree
from cocotb_tests.compare import compare
from cocotb_tests.designs import node_parameters
from cocotb_tests.drivers import start
from cocotb_tests.host_training import PIECES, differences, go_on, load, prepare
from cocotb_tests.node_tb import INPUTS
from models.analog.array import IdealArray
from models.system.node import Node
from panther.arch.core import Fault
from panther.arch.tile import SEQUENCER
from panther.asm import assemble_text
from panther.host import Host, HostError, TransactionTransport, checkpoint
from panther.host.checkpoint import CheckpointError, capture

for _noisy in ("cocotb.bench.s_axi", "cocotb.bench.s_axil", "cocotb.bench"):
    logging.getLogger(_noisy).setLevel(logging.WARNING)


async def host_of(dut):
    """A host of the node in RTL, with ideal arrays behind its units."""
    params = node_parameters()
    mcu = params.tile.core.mcu
    await start(dut, *INPUTS)
    for n in range(params.tiles * params.tile.cores * params.tile.core.mcus):
        bridge = AnalogBridge(getattr(dut, f"unit{n}"), mcu, IdealArray(mcu))
        cocotb.start_soon(bridge.serve())
    host = Host(AxiTransport(dut, params))
    await host.identify()
    return host


def twin_of(host):
    return Host(TransactionTransport(Node(host.params)))


async def same(what, expected, host):
    """The host's node must hold what was captured."""
    different = differences(expected, await capture(host))
    assert not different, f"State {what} must be the same, not different in {', '.join(different)}"


async def refused(work, *parts, kind=HostError):
    """What is awaited must be refused, and the message say all this."""
    with pytest.raises(kind) as caught:
        await work
    for part in parts:
        assert part in str(caught.value), f"Message must say {part!r}: {caught.value}"


@cocotb.test()
async def training_goes_on_across_transports(dut):
    host = await host_of(dut)
    seed, half = cocotb.RANDOM_SEED % 1000, PIECES // 2
    whole, first = twin_of(host), twin_of(host)
    await prepare(whole, seed)
    await go_on(whole, half)
    middle = await capture(whole)
    await go_on(whole, PIECES - half)
    end = await capture(whole)
    assert differences(middle, end), "Training must change something"

    with tempfile.TemporaryDirectory() as folder:
        # RTL, then transactions
        await prepare(host, seed)
        await go_on(host, half)
        await same("in the middle", middle, host)
        path = await checkpoint.save(host, folder, step=half, metadata={"from": "RTL"})
        assert checkpoint.latest(folder, host.params).path == path
        await load(first)
        await checkpoint.resume(first, path)
        await same("after resuming at transaction level", middle, first)
        await go_on(first, PIECES - half)
        await same("at the end at transaction level", end, first)

        # transactions, then RTL, where everything has gone on meanwhile
        again = twin_of(host)
        await prepare(again, seed)
        await go_on(again, half)
        path = await checkpoint.save(again, Path(folder) / "twin", step=half)
        await go_on(host, 1)
        await host.write_cells(0, 0, 0, -np.ones_like(await host.read_cells(0, 0, 0)))
        await checkpoint.resume(host, path)
        await same("after resuming in RTL", middle, host)
        results = await host.read_registers(0, 0, 4096, host.params.tile.core.mcu.columns)
        agree("host", "results after resuming", [0] * results.size, results.tolist())
        await go_on(host, PIECES - half)
        await same("at the end in RTL", end, host)


@cocotb.test()
async def session(dut):
    """Hold and step, instructions of the host, faults by name, refusals."""
    host = await host_of(dut)
    core = host.params.tile.core
    last = host.params.tiles - 1
    text = "sset s1, 5\nsadd s1, s1, 7 ; more\nld r0, s0, 8, 4, take\nhlt"
    await host.load(last, 0, assemble_text(text, core, name="waits.pasm"))
    await host.load(last, SEQUENCER, assemble_text("recv s0, 0, 4, 0\nhlt", core, name="seq.pasm"))

    await host.hold([(last, 0)])
    await host.start({(last, 0): 0})
    await refused(host.wait(200), f"tile {last} core 0 is held at pc 0 (waits.pasm:1: sset s1, 5)")
    await host.step([(last, 0)])
    agree("host", "s1", 5, await host.execute(last, 0, "sadd s0, s1, 0"))
    await refused(host.execute(last, 0, "jmp 0"), f"tile {last} core 0: ILLEGAL in instruction")
    await refused(
        checkpoint.capture(host), f"tile {last} core 0 is held at pc 1", "halted units",
        kind=CheckpointError,
    )  # fmt: skip
    await host.write_csr(last, 0, "watchdog", 100)
    agree("host", "watchdog", 100, await host.read_csr(last, 0, "watchdog"))
    agree("host", "held", True, (await host.status(last, 0)).held)
    await host.hold([])
    await refused(
        host.wait(2000),
        "Programs stopped for a fault",
        f"tile {last} core 0: WATCHDOG at pc 2 (waits.pasm:3: ld r0, s0, 8, 4, take)",
        "waited for words 8..11 to be stored",
    )
    agree("host", "s1", 12, int((await host.read_scalars(last, 0))[1]))
    await refused(
        checkpoint.capture(host), f"tile {last} core 0: WATCHDOG at pc 2", kind=CheckpointError
    )

    # a message that does not come; then the host has had enough
    await host.start({(last, SEQUENCER): 0})
    await refused(
        host.wait(500),
        "500 cycles",
        f"tile {last} sequencer runs at pc 1 (seq.pasm:2: hlt), waits for the send or receive "
        "unit; receive unit waits for a message in queue 0",
    )
    await refused(
        host.load(last, SEQUENCER, [0]), f"tile {last} sequencer runs", "while it is halted"
    )
    await refused(host.read_registers(last, 0, 6144, 4), f"tile {last} sequencer runs", "registers")
    await host.reset([(last, SEQUENCER), (last, 0)])
    assert await host.report() == ""
    agree("host", "fault", Fault.NONE, (await host.status(last, 0)).fault)

    # behind a program nothing is left of the one before
    await host.load(last, 0, assemble_text("nop", core))
    await refused(host.run({(last, 0): 0}, 2000), f"tile {last} core 0: ILLEGAL at pc 1, cycle 2")

    # registers go through the memory and leave it alone
    rng = np.random.default_rng(cocotb.RANDOM_SEED)
    words = rng.integers(-32768, 32768, core.registers)
    await host.write_memory(last, 0, rng.integers(-99, 99, core.memory_words))
    groups = core.memory_words // 4
    await host.write_states(last, rng.integers(0, 2, groups), rng.integers(0, 512, groups))
    before = await host.read_memory(last, 0, core.memory_words), await host.read_states(last)
    await host.write_registers(last, 0, 6144, words)
    found = await host.read_registers(last, 0, 6144, core.registers)
    compare("host", "registers", words, found, ("word",))
    compare("host", "memory", before[0], await host.read_memory(last, 0, core.memory_words),
            ("word",))  # fmt: skip
    for what, expected, state in zip(
        ("valid", "readers"), before[1], await host.read_states(last), strict=True
    ):
        compare("host", what, expected, state, ("group",))
    counters = await host.read_counters(last)
    assert counters["accesses"] > 0
    await host.clear_counters()
    agree("host", "accesses", 0, (await host.read_counters(last))["accesses"])
