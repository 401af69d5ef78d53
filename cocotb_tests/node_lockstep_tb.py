"""Programs of a whole node in lockstep: RTL against the twin, in values and in cycles.

What to run comes as JSON in PANTHER_NODE; what came of it goes into ``node.json``.
"""

import json
import os
from pathlib import Path

import cocotb

from cocotb_tests.compare import Divergence
from cocotb_tests.designs import NODES
from cocotb_tests.host import reset
from cocotb_tests.node_lockstep import NodeRig
from cocotb_tests.node_programs import NodeCase, broken_case, random_case

REPORT = "node.json"
CASE = "node_case.json"


@cocotb.test()
async def programs_agree(dut):
    task = json.loads(os.environ["PANTHER_NODE"])
    params = NODES[task["node"]]
    await reset(dut)
    rig = NodeRig(dut, params)
    cases = [NodeCase.from_json(text) for text in task.get("cases", [])]
    cases += [random_case(task["node"], seed, params) for seed in task.get("random", [])]
    cases += [broken_case(task["node"], seed, params) for seed in task.get("broken", [])]
    for case in cases:
        dut._log.info("seed %d", case.seed)
        try:
            await rig.run(case)
        except Divergence as divergence:
            path = Path(CASE).resolve()
            path.write_text(case.to_json())
            raise Divergence(f"{divergence}\nseed {case.seed}, case {path}") from None
    result = {
        "programs": len(cases),
        "instructions": rig.instructions,
        "cycles": rig.cycles,
        "compared": rig.compared,
        "faults": rig.faults,
        "counted": rig.counted,
        "stops": rig.stops,
    }
    Path(REPORT).write_text(json.dumps(result))
