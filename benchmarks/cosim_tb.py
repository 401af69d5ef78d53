"""The sections of the co-simulation benchmark through cocotb; see ``benchmarks.cosim``."""

import json
import os
import time
from dataclasses import asdict
from pathlib import Path

import cocotb
import numpy as np

from benchmarks.cosim import PARAMS, array, measurement, sections
from cocotb_tests.analog_bridge import AnalogBridge
from cocotb_tests.host import HostPort, reset


@cocotb.test()
async def play_sections(dut):
    await reset(dut)
    record = os.environ["PANTHER_RECORD"] == "1"
    codes: list[np.ndarray] = []

    def tap(kind, slots):
        if slots is not None:
            codes.append(slots.copy())

    bridge = AnalogBridge(dut.unit0, PARAMS, array(), tap=tap if record else None)
    host = HostPort(dut.unit0, PARAMS)
    cocotb.start_soon(bridge.serve())
    measured, recorded = {}, {}
    for section in sections():
        served, events, seconds = bridge.seconds, bridge.events, 0.0
        answers = []
        for n, script in enumerate(section.scripts):
            start = time.process_time()
            print(section.name, n, flush=True)
            answers.append(await host.play(script))
            seconds += time.process_time() - start
            recorded[f"{section.name}/{n}"] = np.array(codes, dtype=np.uint32)
            codes.clear()
        measured[section.name] = asdict(
            measurement(answers, seconds, bridge.seconds - served, bridge.events - events)
        )
    Path("measured.json").write_text(json.dumps(measured))
    if record:
        np.savez("codes.npz", **recorded)
