"""Train a network on two tiles in RTL, in lockstep with the twin; all cells are golden's."""

import json
import os
import time
from pathlib import Path

import cocotb

from cocotb_tests.host import reset
from cocotb_tests.node_lockstep import NodeRig
from cocotb_tests.two_tiles import NODE, TwoTiles, unequal_cells

RESULT = "two_tiles.json"
LIMIT = 4000
"""Cycles in which an example has been trained."""


@cocotb.test()
async def training_matches_golden(dut):
    run = TwoTiles(**json.loads(os.environ["PANTHER_TWO_TILES"]))
    await reset(dut)
    rig = NodeRig(dut, NODE)
    lockstep = await rig.prepare(run)
    begin = time.process_time()
    await lockstep.start(run.starts())
    first = rig.driver.cycle
    await lockstep.run(limit=LIMIT * run.steps)
    seconds = time.process_time() - begin
    assert not any(status.fault for status in lockstep.statuses.values())
    trainer = run.train()
    wrong = unequal_cells(lockstep.arrays, trainer)
    assert wrong == 0, f"{wrong} cells must be golden's"
    twin = rig.twin
    result = {
        "steps": run.steps,
        "cycles": max(core.cycle for core in twin.cores) + 1,
        "rtl_cycles": rig.driver.cycle - first,
        "instructions": sum(streams.retired for streams in lockstep.streams),
        "compared": lockstep.compared + sum(streams.compared for streams in lockstep.streams),
        "cells": sum(matrix.cells.size for matrix in trainer.matrices),
        "cpu_seconds": seconds,
        "counters": [twin.counters(tile) for tile in range(NODE.tiles)],
        "routers": [twin.router_counters(tile) for tile in range(NODE.tiles)],
    }
    Path(RESULT).write_text(json.dumps(result, indent=1))
