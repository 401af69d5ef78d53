"""A host's way to a node in RTL: cocotbext-axi's masters on its AXI ports."""

from typing import Any

from cocotb.simtime import TimeUnit
from cocotb.triggers import RisingEdge, SimTimeoutError, with_timeout
from cocotbext.axi import AxiBus, AxiLiteBus, AxiLiteMaster, AxiMaster

from cocotb_tests.drivers import PERIOD_NS
from cocotb_tests.pins import read
from panther.arch.node import NodeParams
from panther.host import AccessError

ERRORS = {2: "SLVERR", 3: "DECERR"}
_PATIENCE_CYCLES = 60_000
"""Cycles after which an access hangs."""
_UNIT: TimeUnit = "ns"


class AxiTransport:
    """Accesses through the pins of a node on the bench, which has been started.

    Parameters
    ----------
    dut
        The bench.
    params
        Its node.
    """

    def __init__(self, dut: Any, params: NodeParams) -> None:
        self.params = params
        self.dut = dut
        self._control = AxiLiteMaster(AxiLiteBus.from_prefix(dut, "s_axil"), dut.clk, dut.rst)
        self._memory = AxiMaster(AxiBus.from_prefix(dut, "s_axi"), dut.clk, dut.rst)

    async def _done(self, access: Any, what: str) -> Any:
        done = await with_timeout(access, _PATIENCE_CYCLES * PERIOD_NS, _UNIT)
        if done.resp:
            raise AccessError(f"{what} must be possible: {ERRORS[int(done.resp)]}")
        return done

    async def read(self, address: int) -> int:
        done = await self._done(self._control.read(address, 4), f"Read of register {address:#x}")
        return int.from_bytes(done.data, "little")

    async def write(self, address: int, value: int) -> None:
        access = self._control.write(address, value.to_bytes(4, "little"))
        await self._done(access, f"Write of register {address:#x}")

    async def load(self, address: int, count: int) -> bytes:
        done = await self._done(self._memory.read(address, count), f"Read of {address:#x}")
        return bytes(done.data)

    async def store(self, address: int, data: bytes) -> None:
        await self._done(self._memory.write(address, data), f"Write of {address:#x}")

    async def wait(self, limit_cycles: int) -> bool:
        if not read(self.dut.irq):
            try:
                await with_timeout(RisingEdge(self.dut.irq), limit_cycles * PERIOD_NS, _UNIT)
            except SimTimeoutError:
                return False
        return True
