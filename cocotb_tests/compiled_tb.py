"""Compiled training programs in RTL, in lockstep with the twin; all cells end as golden's.

What is trained comes as JSON in PANTHER_TRAINING; what came of it goes into ``training.json``.
"""

import json
import os
import time
from pathlib import Path

import cocotb

from cocotb_tests.compiled import Training
from cocotb_tests.host import reset
from cocotb_tests.node_lockstep import NodeLockstep, NodeRig

RESULT = "training.json"
LIMIT = 400_000
"""Cycles in which an example has been trained."""


async def prepared(dut) -> tuple[NodeRig, list[Training]]:
    """The rig and the trainings."""
    trainings = [Training(**fields) for fields in json.loads(os.environ["PANTHER_TRAINING"])]
    await reset(dut)
    return NodeRig(dut, trainings[0].params), trainings


async def train(rig: NodeRig, training: Training, lockstep: NodeLockstep) -> None:
    """Run to the end.

    Raises
    ------
    Divergence
        At the first difference between RTL and twin.
    """
    await lockstep.start(training.starts())
    await lockstep.run(limit=LIMIT * training.examples)
    stopped = {unit: status for unit, status in lockstep.statuses.items() if status.fault}
    assert not stopped, f"All units must halt, but {stopped} did not"


@cocotb.test()
async def training_matches_golden(dut):
    rig, trainings = await prepared(dut)
    found = []
    for training in trainings:
        dut._log.info("%s", training)
        begin = time.process_time()
        lockstep = await rig.prepare(training)
        ready = time.process_time()
        await train(rig, training, lockstep)
        seconds = time.process_time() - ready
        trainer = training.train()
        for arrays in (lockstep.arrays, [a for core in rig.twin.cores for a in core.arrays]):
            wrong = training.unequal_cells(arrays, trainer)
            assert wrong == 0, f"{wrong} cells must be golden's: {training}"
        assert training.unequal_cells(lockstep.arrays, training.trainer()), "Cells must change"
        result = {
            "network": training.network,
            "variant": training.variant,
            "examples": training.examples,
            "instructions": sum(streams.retired for streams in lockstep.streams),
            "cycles": lockstep.cycles,
            "compared": lockstep.compared + sum(core.compared for core in lockstep.streams),
            "cells": sum(array.cells.size for array in lockstep.arrays),
            "sent": sum(rig.twin.counters(t)["sent"] for t in range(rig.params.tiles)),
            "load_seconds": ready - begin,
            "seconds": seconds,
        }
        found.append(result)
        Path(RESULT).write_text(json.dumps(found, indent=1))
