"""RegisterBlock against its table: what the owner sees of each access, and what the bus does."""

import random
from itertools import pairwise

import cocotb
from cocotb.triggers import FallingEdge

from cocotb_tests.bus_master import BusMaster, agree
from cocotb_tests.drivers import start
from hdl.host.bus import BusError, BusSignature
from panther.arch.registers import Access, Register

ADDRESS_BITS = 7
TABLE = (
    Register("first", 0x00, Access.RO, (), "The first one."),
    Register("kept", 0x08, Access.RW, (), "Behind a gap."),
    Register("several", 0x0C, Access.RO, (), "Five of them.", 5),
    Register("written", 0x20, Access.WO, (), "Not to be read.", 2),
    Register("last", 0x7C, Access.W1C, (), "The last one."),
)
ACCESSES = 1500


class Owner:
    """Whoever holds the registers: takes its time, refuses some accesses."""

    def __init__(self, dut, rng):
        self.dut, self.rng = dut, rng
        self.values = [0] * len(TABLE)
        self.seen = []

    async def serve(self):
        dut, rng = self.dut, self.rng
        while True:
            await FallingEdge(dut.clk)
            write, read = dut.write.value.to_unsigned(), dut.read.value.to_unsigned()
            ready, refused = rng.random() < 0.5, rng.random() < 0.2
            dut.ready.value, dut.refused.value = ready, refused
            for n in range(len(TABLE)):
                self.values[n] = rng.getrandbits(32)
                getattr(dut, f"value__{n}").value = self.values[n]
            if write or read:
                self.seen.append(
                    (write, read, dut.index.value.to_unsigned(), dut.data.value.to_unsigned(),
                     dut.mask.value.to_unsigned(), refused, tuple(self.values), ready)
                )  # fmt: skip


@cocotb.test()
async def owner_sees_what_the_table_allows(dut):
    rng = random.Random(cocotb.RANDOM_SEED)
    signature = BusSignature(address_bits=ADDRESS_BITS, data_bits=32)
    values = [f"value__{n}" for n in range(len(TABLE))]
    await start(dut, "bus__request__valid", "bus__request__payload", "ready", "refused", *values)
    bus, owner = BusMaster(dut, signature, rng), Owner(dut, rng)
    cocotb.start_soon(owner.serve())
    met = set()
    for _ in range(ACCESSES):
        word = rng.randrange(1 << ADDRESS_BITS - 2)
        address, writes = 4 * word, rng.random() < 0.5
        found = [n for n, item in enumerate(TABLE) if item.offset <= address < item.end]
        data, strobe = rng.getrandbits(32), rng.getrandbits(4)
        owner.seen = []
        what = f"{'write' if writes else 'read'} of {address:#x}"
        if writes:
            got, error = 0, await bus.write(address, data, strobe=strobe)
        else:
            got, error = await bus.read(address)
        if not found:
            expected = BusError.DECERR
        else:
            access = TABLE[found[0]].access
            allowed = access.writable if writes else access.readable
            expected = BusError.OKAY if allowed else BusError.SLVERR
        met.add((tuple(found), writes))
        if expected != BusError.OKAY:
            agree("register block", f"error of {what}", expected, error)
            agree("register block", f"cycles seen of {what}", 0, len(owner.seen))
            continue
        (n,) = found
        # the owner lets it wait, then it is done
        agree("register block", f"end of {what}", True, owner.seen[-1][-1])
        agree("register block", f"ends of {what}", 1, sum(item[-1] for item in owner.seen))
        for before, after in pairwise(owner.seen):
            agree("register block", f"what stays of {what}", before[:5], after[:5])
        write, read, index, seen_data, mask, refused, values, _ = owner.seen[-1]
        agree("register block", f"write of {what}", writes << n, write)
        agree("register block", f"read of {what}", (not writes) << n, read)
        agree("register block", f"index of {what}", word - TABLE[n].offset // 4, index)
        expected = BusError.SLVERR if refused else BusError.OKAY
        agree("register block", f"error of {what}", expected, error)
        if writes:
            bits = sum(0xFF << 8 * byte for byte in range(4) if strobe >> byte & 1)
            agree("register block", f"mask of {what}", bits, mask)
            agree("register block", f"data of {what}", data & bits, seen_data)
        elif not refused:
            agree("register block", f"value of {what}", values[n], got)
    assert len(met) == 2 * (len(TABLE) + 1)
