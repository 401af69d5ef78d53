"""All program pairs in RTL, in lockstep with the twin; then what came of each against its ``.exp``.

Which pairs comes as JSON in PANTHER_PROGRAMS; what was met goes into ``programs.json``.
"""

import json
import os
from pathlib import Path

import cocotb

from cocotb_tests.compare import Divergence
from cocotb_tests.expectations import CORE, read_pair
from cocotb_tests.host import reset
from cocotb_tests.program_watch import ProgramRig
from panther.arch.presets import core_preset

REPORT = "programs.json"
LIMIT = 100_000


@cocotb.test()
async def programs_do_what_is_expected(dut):
    task = json.loads(os.environ["PANTHER_PROGRAMS"])
    params = core_preset(CORE)
    await reset(dut)
    rig = ProgramRig(dut, params)

    def see(rows):
        for _, _, low, high in rows.tolist():
            rig.coverage.see(low | high << 32)

    def watch(started):
        nonlocal lockstep
        lockstep = started
        lockstep.on_retire = see

    for name in task["names"]:
        pair = read_pair(name, params, Path(task["folder"]))
        lockstep = None
        await rig.wipe()
        try:
            outcome = await rig.run_program(
                pair.program, pair.expectations.given, limit=LIMIT, watch=watch
            )
            await rig.counters(lockstep.twin)
        except Divergence as divergence:
            raise Divergence(f"{name}: {divergence}") from None
        rig.coverage.faults[outcome.fault.name] += 1
        mismatches = pair.expectations.mismatches(outcome)
        assert not mismatches, "\n".join(mismatches)
    report = {"compared": rig.compared, "coverage": json.loads(rig.coverage.to_json())}
    Path(REPORT).write_text(json.dumps(report))
