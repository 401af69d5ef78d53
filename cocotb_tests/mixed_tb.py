"""A core with units of both kinds, unit 0 in RTL and unit 1 at transaction level: all that a host
and a program see of them is the same.
"""

import json
import os
import random

import cocotb

from cocotb_tests.compare import compare
from cocotb_tests.core_driver import CoreDriver
from cocotb_tests.faults import FaultyArray, Stuck
from cocotb_tests.host import Script, reset, unpack_cells
from cocotb_tests.mcu_tb import random_cells
from cocotb_tests.program_run import Rig
from cocotb_tests.random_programs import generate
from models.analog.array import IdealArray
from models.system.trace import Event
from panther.arch.mcu import ConfigKey, Operation, counter_names
from panther.arch.presets import CORES
from panther.asm import assemble_text

CORE = "SMALL"
ROUNDS = 12


class Opaque(IdealArray):
    """An array that has to be driven through its protocol, for all the twin knows."""


@cocotb.test()
async def arrays_are_driven_through_their_protocol(dut):
    params = CORES[CORE]
    rig = Rig(dut, params)
    for name, seed, size in json.loads(os.environ["PANTHER_PROGRAMS"]):
        case = generate(name, seed, CORE, params, size=size)
        await rig.run(case, [Opaque(params.mcu) for _ in range(params.mcus)])


@cocotb.test()
async def host_sees_no_difference(dut):
    """Rows written and read back, resolved, and requests that are refused; cycles included."""
    params = CORES[CORE]
    mcu = params.mcu
    rng = random.Random(cocotb.RANDOM_SEED)
    await reset(dut)
    stuck = Stuck(slice=2, row=3, column=1, value=7)
    arrays = [FaultyArray(IdealArray(mcu), stuck) for _ in range(params.mcus)]
    core = CoreDriver(dut.core0, params, arrays)
    assert core.twins == (1,)

    async def both(script, what):
        """Play the script on either unit; returns the answers."""
        found = []
        for unit in (0, 1):
            before = core.host.rejections
            answers = await core.play(unit, script)
            found.append((answers, arrays[unit].cells, core.host.rejections - before))
            found[-1] += (core.operation_cycles(unit),)
        for name, axes, rtl, twin in zip(
            ("answers", "cells", "rejections", "cycles"),
            (("answer", "word"), ("slice", "row", "column"), (), ()),
            *found, strict=True,
        ):  # fmt: skip
            compare("units", f"{what}, {name}", twin, rtl, axes)
        return found[0][0]

    for number in range(ROUNDS):
        columns, row = rng.choice((1, mcu.columns, rng.randint(1, 16))), rng.randrange(mcu.rows)
        lines = f"{columns} columns"
        script = Script(mcu)
        script.configure(ConfigKey.COLUMNS, columns)
        script.configure(ConfigKey.ROWS, rng.choice((0, 1, mcu.rows, mcu.rows + 1)))
        script.write_cells(random_cells(mcu, rng, mcu.columns))
        script.command(Operation.WRITE, row)
        await both(script, f"round {number}, WRITE of {lines}")
        script = Script(mcu)
        script.command(Operation.READ, row)
        where = script.read_cells(columns)
        answers = await both(script, f"round {number}, READ of {lines}")
        held = arrays[0].cells[:, row, :columns]
        compare("units", "cells read", held, unpack_cells(mcu, answers[where]), ("slice", "column"))
        script = Script(mcu)
        script.command(Operation.CRS)
        await both(script, f"round {number}, CRS of {lines}")
        script = Script(mcu)
        script.configure(rng.randint(max(ConfigKey) + 1, 15), rng.randint(0, 100))
        script.command(rng.randrange(8), rng.randrange(2 * mcu.rows))
        script.read_cells(4, first=mcu.columns - 2)
        await both(script, f"round {number}, anything")

    names = counter_names(mcu.slices.count)
    counts = []
    for unit in (0, 1):
        reads = "\n".join(f"csrr s1, m{unit}.{name}" for name in names)
        await core.load(assemble_text(f"{reads}\nhlt", params).words)
        core.forget()
        await core.run()
        counts.append(core.take(Event.SCALAR)[:, 2])
    assert any(counts[0]), "Something must saturate in this test"
    compare("units", f"counters {', '.join(names)}", *reversed(counts), ("counter",))
