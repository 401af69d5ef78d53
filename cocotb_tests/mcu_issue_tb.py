"""McuIssue against lists of operations, between units that take any number of cycles."""

import random

import cocotb
from cocotb.triggers import FallingEdge, RisingEdge

from cocotb_tests.compare import compare
from cocotb_tests.designs import core_parameters
from cocotb_tests.drivers import Pauses, start, unpack
from cocotb_tests.pins import compare_pins, read
from hdl.core.mcu_issue import command_layout
from panther.arch.core import MAX_MCUS
from panther.arch.mcu import InBank, Operation, OutBank

CYCLES = 2000
# in the order in which they are handed over; banks read and written
ORDER = (Operation.MVM, Operation.MTVM, Operation.OPA, Operation.CRS)
READS = {
    Operation.MVM: {InBank.MVM},
    Operation.MTVM: {InBank.MTVM},
    Operation.OPA: {InBank.OPA_ROWS, InBank.OPA_COLUMNS},
    Operation.CRS: set(),
}
WRITES = {
    Operation.MVM: {OutBank.MVM},
    Operation.MTVM: {OutBank.MTVM},
    Operation.OPA: set(),
    Operation.CRS: set(),
}


class Unit:
    """What one matrix unit has before it, and how long it is still busy."""

    def __init__(self) -> None:
        self.pending: list[Operation] = []
        self.running: Operation | None = None
        self.left = 0

    @property
    def busy(self) -> bool:
        return self.left > 0

    @property
    def idle(self) -> bool:
        return not self.pending and not self.busy

    def banks(self, table: dict) -> int:
        """Mask of the banks in use."""
        active = [*self.pending, *([self.running] if self.busy else [])]
        return sum(1 << bank for bank in set().union(*(table[item] for item in active)))


@cocotb.test()
@cocotb.parametrize(pause=[0.0, 0.3])
async def operations_are_handed_over_in_order(dut, pause):
    params = core_parameters()
    rng = random.Random(cocotb.RANDOM_SEED)
    late = Pauses(rng, pause)
    units = [Unit() for _ in range(params.mcus)]
    all_units = range(params.mcus)
    ready_pins = [f"o__{mcu}__ready" for mcu in all_units]
    await start(dut, "issue", "operations", "crs", "busy", *ready_pins)
    handed = 0
    for cycle in range(CYCLES):
        # only idle units are named; what comes without issue must leave no trace
        issue = rng.random() < 0.4
        operations, crs = rng.getrandbits(3 * MAX_MCUS), rng.getrandbits(MAX_MCUS)
        if issue and rng.random() < 0.7:
            operations, crs = rng.choice(((operations, 0), (0, crs)))
        named: dict[int, list[Operation]] = {}
        if issue:
            for mcu, unit in enumerate(units):
                if not unit.idle or rng.random() < 0.4:
                    operations &= ~(7 << 3 * mcu)
                    crs &= ~(1 << mcu)
                asked = operations >> 3 * mcu & 7 | (crs >> mcu & 1) << 3
                named[mcu] = [item for n, item in enumerate(ORDER) if asked >> n & 1]
        dut.issue.value, dut.operations.value, dut.crs.value = issue, operations, crs
        dut.busy.value = sum(unit.busy << mcu for mcu, unit in enumerate(units))
        ready = [not unit.busy and not late for unit in units]
        for name, value in zip(ready_pins, ready, strict=True):
            getattr(dut, name).value = value
        await RisingEdge(dut.clk)
        where = f"cycle {cycle}"
        in_use = out_use = idle = 0
        for mcu, unit in enumerate(units):
            in_use |= unit.banks(READS) << len(InBank) * mcu
            out_use |= unit.banks(WRITES) << len(OutBank) * mcu
            idle |= unit.idle << mcu
        compare_pins("McuIssue", where, dut, idle=idle, in_use=in_use, out_use=out_use)
        for mcu, unit in enumerate(units):
            offered = bool(unit.pending) and not unit.busy
            valid = read(getattr(dut, f"o__{mcu}__valid"))
            compare("McuIssue", f"{where}, unit {mcu}, valid", int(offered), valid)
            if offered:
                command = unpack(command_layout(), getattr(dut, f"o__{mcu}__payload"))
                golden = int(unit.pending[0])
                compare("McuIssue", f"{where}, unit {mcu}, operation", golden, command.operation)
            unit.left = max(0, unit.left - 1)
            if offered and ready[mcu]:
                # an operation of one cycle is never seen to be busy
                unit.running = unit.pending.pop(0)
                unit.left = rng.choice((1, 2, 3, rng.randint(1, 20))) - 1
                handed += 1
            unit.pending += named.get(mcu, [])
        await FallingEdge(dut.clk)
    assert handed > CYCLES // 20, f"operations must be handed over, not only {handed}"
