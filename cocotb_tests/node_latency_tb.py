"""One message on an idle network: how long it takes, in RTL and at transaction level.

What to measure comes as JSON in PANTHER_NODE; the cycles go into ``node.json``, by "rows hops".
"""

import json
import os
from pathlib import Path

import cocotb

from cocotb_tests.compare import compare
from cocotb_tests.designs import NODES
from cocotb_tests.host import reset
from cocotb_tests.node_driver import NodeDriver, run
from cocotb_tests.node_lockstep import LIMIT
from cocotb_tests.node_lockstep_tb import REPORT
from cocotb_tests.node_programs import RECEIVED, NodeCase, message_case, message_cycles
from panther.arch.core import LANES
from panther.arch.tile import BANKS, SEQUENCER


@cocotb.test()
async def twin_takes_as_long(dut):
    task = json.loads(os.environ["PANTHER_NODE"])
    params = NODES[task["node"]]
    await reset(dut)
    driver = NodeDriver(dut.node0, params, NodeCase(node=task["node"], programs={}).arrays(params))
    measured = {}
    for hops in range(params.width):
        for rows in task["rows"]:
            case = message_case(task["node"], params, rows, hops)
            await driver.load(case)
            await driver.play([*driver.start((unit, 0) for unit in case.programs), run()])
            assert driver.ran
            found = await driver.memories()
            words, states = found[hops]
            groups = slice(RECEIVED // LANES, RECEIVED // LANES + BANKS * rows)
            assert (states[groups] == 1 | 1 << 1).all(), "all rows must be there"
            data, _, _ = case.memory(0, params)
            sent = data[: BANKS * rows].view("<i2")
            compare("message", f"{rows} rows", sent, words[RECEIVED:][: sent.size], ("word",))
            statuses = await driver.statuses()
            measured[f"{rows} {hops}"] = message_cycles(statuses[hops, SEQUENCER])
            twin = case.twin(params)
            twin.start(dict.fromkeys(case.programs, 0))
            assert twin.run(limit_cycles=LIMIT)
            same = message_cycles(twin.status(hops, SEQUENCER))
            compare(
                "message", f"{rows} rows, {hops} hops, cycles", same, measured[f"{rows} {hops}"]
            )
    Path(REPORT).write_text(json.dumps(measured))
