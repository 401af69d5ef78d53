"""A program of the PUMA compiler in RTL: the whole node, or one tile among transaction-level ones.

Everything equals the twin in every cycle, and what there is at the end the interpreter of the text.
What to run comes as JSON in PANTHER_PUMA, as a case and the tile if it is to be one.
"""

import json
import os
from pathlib import Path

import cocotb
import numpy as np

from cocotb_tests.host import reset
from cocotb_tests.node_lockstep import NodeRig
from cocotb_tests.node_mixed import MixedTile
from cocotb_tests.puma_case import PumaCase

RESULT = "puma.json"


def _check_cells(case: PumaCase, arrays, first: int) -> int:  # type: ignore[no-untyped-def]
    """Compare the cells behind the matrix units of RTL; ``first`` is the number of the first."""
    mcus, cores = case.params.tile.core.mcus, case.params.tile.cores
    for n, array in enumerate(arrays, first):
        core, m = divmod(n, mcus)
        place = (*divmod(core, cores), m)
        wanted = case.end.cells.get(place, np.zeros_like(array.cells))
        assert np.array_equal(array.cells, wanted), f"cells of {place} must be the interpreter's"
    return sum(array.cells.size for array in arrays)


@cocotb.test()
async def values_are_the_interpreters(dut):
    task = json.loads(os.environ["PANTHER_PUMA"])
    case = PumaCase.from_json(task["case"])
    params = case.params
    if task["tile"] is None:
        await reset(dut)
        rig = NodeRig(dut, params)
        lockstep = await rig.prepare(case)
        ((_, starts),) = case.all_starts()
        await lockstep.start(starts)
        await lockstep.run()
        twin, arrays, first = rig.twin, lockstep.arrays, 0
        events = sum(streams.compared for streams in lockstep.streams)
    else:
        mixed = MixedTile(dut, params, case, task["tile"])
        events = await mixed.run()
        twin, arrays = mixed.alone, mixed.arrays
        first = task["tile"] * len(arrays)
    ((_, starts),) = case.all_starts()
    statuses = {unit: twin.status(*unit) for unit in starts}
    assert not any(status.fault for status in statuses.values())
    compared = case.check(twin)
    cells = _check_cells(case, arrays, first)
    result = {"events": events, "compared": compared, "cells": cells,
              "cycles": max(status.cycle for status in statuses.values())}  # fmt: skip
    Path(RESULT).write_text(json.dumps(result))
