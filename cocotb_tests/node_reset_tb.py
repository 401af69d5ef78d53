"""Sequencers are reset in the middle of messages; afterwards the network takes others."""

import cocotb

from cocotb_tests.designs import NODES
from cocotb_tests.host import reset
from cocotb_tests.node_driver import NodeDriver, control, run
from cocotb_tests.node_programs import NodeCase
from panther.arch.node_registers import tile_address
from panther.arch.tile import SEND_READER, SEQUENCER

ROW = "LOCKSTEP_ROW"
WORDS = 16 * 16
_TILES = (1, 2, 3)
_STORED = {tile: tuple((g, 1 << SEND_READER, g) for g in range(WORDS // 4)) for tile in (1, 2)}
# more rows than the buffers on its way hold
_AFTER = {(1, SEQUENCER): f"send s0, 0, {WORDS}, 3, 0\nhlt"}
LIMIT = 4000


# two tiles send over one link, so rows gather and go as worms
_BUSY = {(tile, SEQUENCER): f"send s0, 0, {WORDS}, 3, {tile - 1}\nhlt" for tile in (1, 2)}


@cocotb.test()
async def network_survives_resets(dut):
    params = NODES[ROW]
    await reset(dut)
    busy = NodeCase(node=ROW, programs=_BUSY, stored=_STORED)
    after = NodeCase(node=ROW, programs=_AFTER, stored=_STORED)
    driver = NodeDriver(dut.node0, params, after.arrays(params))
    everybody = 1 << SEQUENCER
    for wait in range(1, 40):
        await driver.load(busy)
        await driver.play(
            [*driver.start(busy.all_starts()[0][1].items()), run(wait)]
            + [control(tile_address(tile, "reset"), everybody) for tile in _TILES]
            + [control(tile_address(tile, "reset"), 0) for tile in _TILES]
        )
        await driver.load(after)
        await driver.play([*driver.start(after.all_starts()[0][1].items()), run(LIMIT)])
        assert driver.ran, f"after resets from cycle {wait} on messages must come through"
        statuses = await driver.statuses()
        assert not any(status.fault for status in statuses.values()), (wait, statuses)
