"""What an operation uses waits for its end, to the cycle: in RTL and, with PANTHER_TWIN, at
transaction level, where nothing but the time would tell.
"""

import random

import cocotb

from cocotb_tests.compare import compare
from cocotb_tests.host import Script, reset
from cocotb_tests.mcu_tb import OPERANDS, RESULTS, Bench, random_cells, random_words
from models.analog.array import IdealArray
from models.system.mcu import duration, make_units
from panther.arch.mcu import Operation


@cocotb.test()
async def what_is_in_use_waits_to_the_cycle(dut):
    await reset(dut)
    bench = Bench(dut, random.Random(cocotb.RANDOM_SEED), 0)
    params = bench.params
    units = make_units(params, [IdealArray(params)])
    cells = random_cells(params, bench.rng, 1)

    def word(bank):
        return lambda script: script.write(bank, random_words(params, bench.rng, 1))

    def result(bank):
        return lambda script: script.read(bank, 1)

    transfers = [
        (operation, f"XbarIn.{bank.name}", word(bank), 0)
        for operation, banks in OPERANDS.items()
        for bank in banks
    ]
    # an answer comes a cycle later
    transfers += [(op, f"XbarOut.{bank.name}", result(bank), 1) for op, bank in RESULTS.items()]
    transfers += [
        (Operation.CRS, "cells", lambda script: script.write_cells(cells), 0),
        (Operation.CRS, "cells asked for", lambda script: script.read_cells(1), 1),
    ]
    for operation, what, transfer, later in transfers:
        script = Script(params)
        begin = script.cycle()
        script.command(operation, wait=False)
        transfer(script)
        end = script.cycle()
        answers = await bench.host.play(script)
        taken = int(answers[end][0, 0]) - int(answers[begin][0, 0])
        # a cycle more for the first stamp, and one for the transfer
        cycles = duration(units, 0, int(operation)) + 2 + later
        compare("Mcu", f"{what} in {operation.name}, cycles", cycles, taken)
