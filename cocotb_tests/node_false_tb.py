"""The comparison of nodes itself: one number of RTL's side is changed, or the twin runs something
else, and the lockstep has to say so.

What runs comes as JSON in PANTHER_NODE.
"""

import json
import os
from dataclasses import replace

import cocotb

from cocotb_tests.compare import Divergence
from cocotb_tests.designs import NODES
from cocotb_tests.host import reset
from cocotb_tests.node_driver import NodeDriver, TraceReader
from cocotb_tests.node_lockstep import NodeRig
from cocotb_tests.node_programs import NodeCase
from cocotb_tests.program_trace import STREAMS
from models.system.trace import WIDTHS
from panther.arch.tile import SEQUENCER

FALSE = [
    *(f"{event.name}:{column}" for event in STREAMS for column in (0, WIDTHS[event] - 1, "lost")),
    "status:running", "status:fault", "status:pc", "status:cycle", "status:wait", "status:group",
    "counter", "router counter", "words", "valid", "readers", "scalars", "cells",
]  # fmt: skip


class FalseTrace(TraceReader):
    """A trace that reports one thing otherwise than it is."""

    false = ""

    def take(self, event):
        rows = super().take(event).copy()
        name, _, column = self.false.partition(":")
        if name != event.name or not len(rows):
            return rows
        if column == "lost":
            return rows[:-1]
        rows[-1, int(column)] ^= 1
        return rows


class FalseDriver(NodeDriver):
    """A driver that reports one thing otherwise than it is."""

    false = ""

    async def statuses(self):
        found = dict(await super().statuses())
        what, _, field = self.false.partition(":")
        if what == "status":
            place = 1, SEQUENCER
            found[place] = found[place]._replace(**{field: getattr(found[place], field) + 1})
        return found

    async def counters(self):
        found = await super().counters()
        found[1]["core1.wait_memory"] += self.false == "counter"
        return found

    async def router_counters(self):
        found = await super().router_counters()
        found[1]["west.flits"] += self.false == "router counter"
        return found

    async def memories(self):
        found = [(words.copy(), state.copy()) for words, state in await super().memories()]
        words, state = found[1]
        words[9] ^= self.false == "words"
        state[5] ^= {"valid": 1, "readers": 2}.get(self.false, 0)
        return found

    def scalars(self, tile):
        found = super().scalars(tile)
        found[3] += self.false == "scalars" and tile == 1
        return found


async def said(rig, case, *, false="", twin=None):
    """What the lockstep says of a case beside another one, the twin's, that is told ``false``."""
    lockstep = await rig.prepare(case)
    if twin is not None:
        lockstep.twin = twin.twin(rig.params, lockstep.twin)
    rig.driver.false = false
    for trace in rig.driver.traces:
        trace.__class__ = FalseTrace
    rig.driver.traces[-1].false = false
    if false == "cells":
        cells = lockstep.arrays[-1].cells
        cells[0, 1, 2] += 1
        lockstep.arrays[-1].cells = cells
    try:
        await lockstep.start(dict.fromkeys(case.programs, 0))
        await lockstep.run()
    except Divergence as divergence:
        return str(divergence)
    finally:
        rig.driver.false = rig.driver.traces[-1].false = ""
    return ""


@cocotb.test()
async def every_false_report_is_a_divergence(dut):
    task = json.loads(os.environ["PANTHER_NODE"])
    await reset(dut)
    rig = NodeRig(dut, NODES[task["node"]], FalseDriver)
    case = NodeCase.from_json(task["case"])
    assert await said(rig, case) == ""
    for false in FALSE:
        what = await said(rig, case, false=false)
        assert what.startswith("first divergence: tile 1"), f"{false}: {what}"
    place = 1, 1
    other = case.programs[place].replace("r0, r0, 1", "r0, r0, 2")
    what = await said(rig, case, twin=replace(case, programs={**case.programs, place: other}))
    assert what.startswith("first divergence: tile 1, core 1, cycle "), what
    assert "tile1.core1.pasm:" in what, what
    assert await said(rig, case) == ""
