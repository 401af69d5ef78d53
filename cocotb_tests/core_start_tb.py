"""Starts of a core while something is still going on: it begins when that is over."""

import cocotb

from cocotb_tests.core_driver import CoreDriver
from cocotb_tests.host import Script, reset
from models.analog.array import IdealArray
from models.system.trace import Event
from panther.arch.core import Fault
from panther.arch.mcu import Operation
from panther.arch.presets import core_preset
from panther.asm import assemble_text

# what would wait for the unit, between two looks at the clock
PROGRAM = """
        mcu     m0:mvm
        .word   0               ; stops the core while the unit is busy
        .org    8
        csrr    s1, cycle
        vset    m0.mvm_in, 3, 4
        v.mov   r0, m0.mvm_out, 4
        csrr    s2, cycle
        hlt
"""
BEGIN = 8


async def driver_of(dut):
    params = core_preset("SMALL")
    await reset(dut)
    driver = CoreDriver(dut.core0, params, [IdealArray(params.mcu) for _ in range(params.mcus)])
    await driver.load(assemble_text(PROGRAM, params).words)
    return driver


async def check_no_wait(driver):
    """Run the second part: it must begin in its cycle 0 and find the unit idle."""
    driver.take(Event.SCALAR)
    stop = await driver.run(pc=BEGIN)
    assert stop.fault is Fault.NONE, f"first divergence: the core must halt, not stop with {stop}"
    clock = driver.take(Event.SCALAR)[:, 2].tolist()
    assert clock == [1, 1 + 4 + 4 + 2], f"first divergence: the clock must show 1, 11, not {clock}"


@cocotb.test()
async def start_waits_for_units_that_are_busy(dut):
    driver = await driver_of(dut)
    for _ in range(3):
        stop = await driver.run(patient=False)
        assert (stop.fault, stop.pc) == (Fault.ILLEGAL, 1)
        await check_no_wait(driver)


@cocotb.test()
async def start_goes_before_further_commands_of_the_host(dut):
    driver = await driver_of(dut)
    await driver.run()  # so that the unit's last operation is one whose banks are touched
    script = Script(driver.params.mcu)
    for _ in range(40):
        script.command(Operation.MVM, wait=False)
    playing = cocotb.start_soon(driver.host.play(script))
    for _ in range(12):
        await check_no_wait(driver)
    await playing
