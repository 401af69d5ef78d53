"""The comparison itself: one number of RTL's side is changed, and the lockstep has to say where."""

from dataclasses import replace

import cocotb

from cocotb_tests.compare import Divergence
from cocotb_tests.core_driver import CoreDriver
from cocotb_tests.host import reset
from cocotb_tests.lockstep import Lockstep
from cocotb_tests.program_run import twin_of
from cocotb_tests.program_trace import STREAMS
from cocotb_tests.random_programs import Case
from models.analog.array import IdealArray
from models.system.trace import WIDTHS
from panther.arch.mcu import OutBank
from panther.arch.presets import core_preset
from panther.asm import assemble_text

CORE = "SMALL"
PROGRAM = """
        vset    m0.opa_rows, 3, 4
        vset    m0.opa_columns, 5, 2
        mcu     m0:opa
        vset    m0.mvm_in, 2, 4
        mcu     m0:mvm
        vi.max  r0, m0.mvm_out, 0, 4
        sset    s1, 8
        st      r0, s1, 0, 4, plain
        ld      r8, s1, 0, 4
        vr.sum  s2, r8, 4
        crs     m0
        hlt
"""


class FalseDriver(CoreDriver):
    """A driver that reports one thing otherwise than it is."""

    false = ""

    def take(self, event):
        rows = super().take(event).copy()
        name, _, column = self.false.partition(":")
        if name == event.name and len(rows):
            if column == "lost":
                return rows[:-1]
            rows[-1, int(column)] ^= 1
        return rows

    def xbar_out(self, mcu, bank):
        words = super().xbar_out(mcu, bank).copy()
        if self.false == f"results:{bank.name}":
            words[1] ^= 1
        return words

    def operation_cycles(self, mcu):
        return super().operation_cycles(mcu) + (self.false == "operation")

    @property
    def memory(self):
        words, valid, readers = (part.copy() for part in super().memory)
        if self.false == "memory:words":
            words[99] ^= 1
        if self.false == "memory:valid":
            valid[7] ^= True
        if self.false == "memory:readers":
            readers[7] ^= 1
        return words, valid, readers

    async def run(self, **options):
        stop = await super().run(**options)
        changes = {"stop:pc": {"pc": stop.pc + 1}, "stop:cycle": {"cycle": stop.cycle + 1}}
        if self.false not in changes:
            return stop
        return replace(stop, **changes[self.false])


def false_reports():
    """Everything a driver can report wrongly."""
    for event in STREAMS:
        for column in range(WIDTHS[event]):
            yield f"{event.name}:{column}"
        yield f"{event.name}:lost"
    for bank in OutBank:
        yield f"results:{bank.name}"
    yield from ("operation", "cells", "memory:words", "memory:valid", "memory:readers")
    yield from ("stop:pc", "stop:cycle")


async def outcome(dut, driver, program, model, *, false="", limit=100_000):
    """What a lockstep run of a program beside another, the twin's, says that is told ``false``."""
    params = driver.params
    words, twin_words = (assemble_text(text, params).words for text in (program, model))
    await reset(dut)
    driver.use([IdealArray(params.mcu) for _ in range(params.mcus)])
    driver.forget()
    twin = twin_of(Case(generator="", seed=0, core=CORE, words=twin_words), params)
    await driver.load(words)
    await driver.clear(len(words))
    await driver.load_memory(twin.memory_words, twin.memory.valid, twin.memory.readers)
    if false == "cells":
        cells = driver.arrays[0].cells
        cells[2, 3, 4] += 1
        driver.arrays[0].cells = cells
    driver.false = false
    try:
        await Lockstep(driver, twin).run(limit=limit)
    except Divergence as divergence:
        return str(divergence)
    finally:
        driver.false = ""
    return ""


async def driver_of(dut):
    params = core_preset(CORE)
    await reset(dut)
    return FalseDriver(dut.core0, params, [IdealArray(params.mcu) for _ in range(params.mcus)])


@cocotb.test()
async def every_false_report_is_a_divergence(dut):
    driver = await driver_of(dut)
    stops = PROGRAM.replace("hlt", ".word 0")
    for program in (PROGRAM, stops):
        assert await outcome(dut, driver, program, program) == ""
    for false in false_reports():
        program = stops if false.startswith("stop") else PROGRAM
        said = await outcome(dut, driver, program, program, false=false)
        assert said.startswith("first divergence: "), f"{false} was not seen"
        assert await outcome(dut, driver, PROGRAM, PROGRAM) == "", f"after {false}"


@cocotb.test()
async def core_that_hangs_is_a_divergence(dut):
    driver = await driver_of(dut)
    for hangs in ("nop\nagain: jmp again", "ld r0, s0, 0, 4\nhlt"):
        said = await outcome(dut, driver, hangs, "nop\nhlt", limit=500)
        assert said.startswith("first divergence: cycle "), hangs
