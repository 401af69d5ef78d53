"""One tile, or one core, in RTL among transaction-level ones: the same values in the same cycles.

What to run comes as JSON in PANTHER_NODE.
"""

import json
import os

import cocotb

from cocotb_tests.designs import NODES
from cocotb_tests.node_mixed import MixedCore, MixedTile
from cocotb_tests.node_programs import NodeCase


@cocotb.test()
async def mixed_run_is_the_same(dut):
    task = json.loads(os.environ["PANTHER_NODE"])
    params = NODES[task["node"]]
    case = NodeCase.from_json(task["case"])
    if "tile" in task:
        events = await MixedTile(dut, params, case, task["tile"]).run()
    else:
        events = await MixedCore(dut, params, case, tuple(task["core"])).run()
    dut._log.info("%d events", events)
    assert events > 100, "cores must do something"
