"""The example against golden: a random matrix is written, vectors go through it again and again."""

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles
from cocotbext.axi import (
    AxiLiteBus,
    AxiLiteMaster,
    AxiStreamBus,
    AxiStreamSink,
    AxiStreamSource,
)

from cocotb_tests.analog_bridge import AnalogBridge
from cocotb_tests.host import pack_cells
from golden.mvm import mvm
from golden.slicing import encode
from models.analog.array import IdealArray
from panther.arch.mcu import Operation
from panther.arch.mcu_ip import cells_words, mcu_ip_registers
from panther.arch.presets import SMALL

REGISTERS = {register.name: register for register in mcu_ip_registers(SMALL)}
SHIFT = 30


@cocotb.test(timeout_time=10, timeout_unit="ms")
async def vectors_go_through_the_matrix_again_and_again(dut):
    rng = np.random.default_rng(1)
    cocotb.start_soon(AnalogBridge(dut.arrays, SMALL, IdealArray(SMALL)).serve())
    registers = AxiLiteMaster(AxiLiteBus.from_prefix(dut, "s_axil"), dut.clk, dut.rst)
    vectors = AxiStreamSource(AxiStreamBus.from_prefix(dut, "s_axis"), dut.clk, dut.rst)
    results = AxiStreamSink(AxiStreamBus.from_prefix(dut, "m_axis"), dut.clk, dut.rst)
    dut.rst.value = 1
    cocotb.start_soon(Clock(dut.clk, 10, unit="ns").start())
    await ClockCycles(dut.clk, 3)
    dut.rst.value = 0

    async def write(name: str, value: int, n: int = 0) -> None:
        await registers.write_dword(REGISTERS[name].offset + 4 * n, value)

    # the matrix, row by row
    weights = rng.integers(-(1 << 28), 1 << 28, (SMALL.rows, SMALL.columns))
    cells = encode(weights, SMALL.slices)
    for row in range(SMALL.rows):
        await write("cell_column", 0)
        for column in pack_cells(SMALL, cells[:, row]):
            for n in range(cells_words(SMALL)):
                await write("cells", int(column[n]), n)
        await write("command", Operation.WRITE | row << REGISTERS["command"].field("row").lsb)
        while await registers.read_dword(REGISTERS["status"].offset):
            pass
    await write("mvm_shift", SHIFT)
    await write("control", REGISTERS["control"].field("auto_mvm").mask)

    for passes in 1, 3, 2:
        dut.passes.value = passes
        x = rng.integers(-(1 << 15), 1 << 15, SMALL.rows)
        await vectors.send(x.astype("<i2").tobytes())
        y = x
        for _ in range(passes):
            y = mvm(SMALL, cells, y, shift=SHIFT).y
        frame = await results.recv()
        assert np.frombuffer(bytes(frame.tdata), "<i2").tolist() == y.tolist()
        assert np.any(y)
