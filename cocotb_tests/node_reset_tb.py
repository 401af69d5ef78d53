"""Sequencers are reset in the middle of messages; afterwards the network takes others."""

import cocotb

from cocotb_tests.designs import NODES
from cocotb_tests.host import reset
from cocotb_tests.node_driver import NodeDriver, control, run
from cocotb_tests.node_programs import NodeCase
from panther.arch.node_registers import tile_address
from panther.arch.tile import SEND_READER, SEQUENCER

PAIR = "LOCKSTEP_PAIR"
WORDS = 23 * 16
# both ways at once: credits and rows take turns, so rows gather and go as worms
_LONG = {
    (tile, SEQUENCER): f"send s0, 0, {WORDS}, {1 - tile}, 0\nloop 30, e\nnop\ne: "
    f"recv s0, 0, {WORDS}, 0\nhlt"
    for tile in (0, 1)
}
_OWN = {(tile, SEQUENCER): f"send s0, 0, 64, {tile}, 1\nhlt" for tile in (0, 1)}
_STORED = {tile: tuple((g, 1 << SEND_READER, g) for g in range(WORDS // 4)) for tile in (0, 1)}
LIMIT = 4000


@cocotb.test()
async def network_survives_resets(dut):
    params = NODES[PAIR]
    await reset(dut)
    busy = NodeCase(node=PAIR, programs=_LONG, stored=_STORED)
    after = NodeCase(node=PAIR, programs=_OWN, stored=_STORED)
    driver = NodeDriver(dut.node0, params, busy.arrays(params))
    everybody = 1 << SEQUENCER
    for wait in range(8, 120, 2):
        await driver.load(busy)
        script = driver.start(busy.all_starts()[0][1].items())
        await driver.play([*script, run(wait)])
        await driver.play(
            [control(tile_address(tile, "reset"), everybody) for tile in (0, 1)]
            + [control(tile_address(tile, "reset"), 0) for tile in (0, 1)]
        )
        await driver.load(after)
        await driver.play([*driver.start(after.all_starts()[0][1].items()), run(LIMIT)])
        assert driver.ran, f"after a reset in cycle {wait} messages must come through"
        statuses = await driver.statuses()
        assert not any(status.fault for status in statuses.values()), (wait, statuses)
