"""One program in RTL, for ``panther run``.

What to run comes as JSON in PANTHER_PROGRAM; what came of it goes into files beside the log.
"""

import json
import os
import pickle
import time
from collections import Counter
from pathlib import Path

import cocotb

from cocotb_tests.faults import PROGRAM_KINDS, FaultyArray, Parity, parse_fault
from cocotb_tests.host import reset
from cocotb_tests.program_trace import Tracer
from cocotb_tests.program_watch import ProgramRig
from models.analog.array import IdealArray
from panther.arch.presets import core_preset

OUTCOME, RESULT, TRACE, PROGRESS = "outcome.npz", "result.json", "trace.txt", "progress.json"
REPORT_SECONDS = 0.1


class Progress:
    """Writes how far the program is, now and then."""

    def __init__(self, driver) -> None:
        self._driver = driver
        self._last = time.monotonic()

    def report(self) -> None:
        now = time.monotonic()
        if now - self._last < REPORT_SECONDS or not self._driver.last:
            return
        self._last = now
        state = {"retired": self._driver.retired, "cycle": self._driver.last[-1][0]}
        partial = Path(PROGRESS).with_suffix(".partial")
        partial.write_text(json.dumps(state))
        partial.rename(PROGRESS)


@cocotb.test()
async def program_runs(dut):
    task = json.loads(os.environ["PANTHER_PROGRAM"])
    params = core_preset(task["core"])
    program, words, given = pickle.loads(Path(task["start"]).read_bytes())
    arrays = [IdealArray(params.mcu) for _ in range(params.mcus)]
    fault = parse_fault(task["inject"], PROGRAM_KINDS) if task["inject"] else None
    if fault is not None and not isinstance(fault, Parity):
        arrays[fault.unit] = FaultyArray(arrays[fault.unit], fault)
    tracer = Tracer(params, program)
    await reset(dut)
    rig = ProgramRig(dut, params)
    lockstep = None

    with open(TRACE, "w") as trace:

        def watch(started):
            nonlocal lockstep
            lockstep = started
            progress = Progress(rig.driver)

            def see(events):
                if task["trace"]:
                    trace.writelines(f"{line}\n" for line in tracer.lines(events))
                progress.report()

            rig.driver.on_events = see

        outcome = await rig.run_program(
            words if program is None else program, given, limit=task["limit"], arrays=arrays,
            compare_with_twin=task["lockstep"], watch=watch,
        )  # fmt: skip
    operations = Counter((m, kind.name, cycles) for m, kind, cycles in rig.driver.operations)
    counters = {}
    if not outcome.running:
        counters = await rig.counters(lockstep.twin if task["lockstep"] else None)
    outcome.save(Path(OUTCOME))
    result = {
        "operations": [[*what, count] for what, count in sorted(operations.items())],
        "counters": counters,
        "compared": rig.compared,
    }
    Path(RESULT).write_text(json.dumps(result))
