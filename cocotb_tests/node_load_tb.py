"""Run the load of benchmarks.node in RTL, and measure it."""

import json
import os
import time
from pathlib import Path

import cocotb

from cocotb_tests.host import reset
from cocotb_tests.node_driver import NodeDriver, run
from cocotb_tests.node_load import NODE, RESULT, load_case
from cocotb_tests.program_trace import STREAMS

LIMIT = 1 << 24


@cocotb.test()
async def load_comes_to_its_end(dut):
    case = load_case(NODE, int(os.environ["PANTHER_PASSES"]))
    await reset(dut)
    driver = NodeDriver(dut.node0, NODE, case.arrays(NODE))

    def forget() -> None:
        for trace in driver.traces:
            for event in STREAMS:
                trace.take(event)

    await driver.load(case)
    script = driver.start(case.all_starts()[0][1].items())
    begin = time.process_time()
    driver.on_block = forget
    await driver.play([*script, run(LIMIT)])
    seconds = time.process_time() - begin
    assert driver.ran
    statuses = await driver.statuses()
    assert not any(status.fault for status in statuses.values())
    cycles = max(status.cycle for (_, unit), status in statuses.items() if unit < NODE.tile.cores)
    Path(RESULT).write_text(json.dumps({"cycles": cycles, "seconds": seconds}))
