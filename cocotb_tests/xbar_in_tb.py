"""XbarIn against four vectors of plain integers, written at random while banks are locked."""

import random

import cocotb
from cocotb.triggers import FallingEdge, RisingEdge

from cocotb_tests.compare import compare
from cocotb_tests.designs import parameters
from cocotb_tests.drivers import Pauses, corner, pack, start
from cocotb_tests.pins import compare_pins, from_planes, read
from hdl.mcu.xbar_in import operands_layout
from panther.arch.mcu import LANES, InBank

CYCLES = 700


@cocotb.test()
@cocotb.parametrize(pauses=["none", "source", "sink", "both"])
async def words_land_in_their_bank(dut, pauses):
    params = parameters()
    rng = random.Random(cocotb.RANDOM_SEED)
    idle = Pauses(rng, 0.4 if pauses in ("source", "both") else 0.0)
    locking = Pauses(rng, 0.4 if pauses in ("sink", "both") else 0.0)
    bits = params.operand_bits
    half = 1 << (bits - 1)
    vectors = {
        InBank.MVM: [0] * params.rows,
        InBank.MTVM: [0] * params.columns,
        InBank.OPA_ROWS: [0] * params.rows,
        InBank.OPA_COLUMNS: [0] * params.columns,
    }
    ports = {InBank.MVM: dut.mvm, InBank.MTVM: dut.mtvm}
    ports |= {InBank.OPA_ROWS: dut.opa_row, InBank.OPA_COLUMNS: dut.opa_column}
    signs = {InBank.OPA_ROWS: dut.opa_row_negative, InBank.OPA_COLUMNS: dut.opa_column_negative}

    def request():
        bank = InBank(rng.randrange(4))
        lines = len(vectors[bank])
        count = rng.randint(1, LANES)
        index = rng.choice((rng.randrange(lines), max(0, lines - count)))
        if rng.random() < 0.3:
            # over the end, or past it
            index = min(255, rng.choice((lines - 1, lines, 255, rng.randrange(256))))
        # words beyond the count must leave no trace
        return bank, index, count, [corner(rng, -half, half - 1) for _ in range(LANES)]

    await start(dut, "i__valid", "i__payload", "locked")
    pending = None
    for cycle in range(CYCLES):
        if pending is None and not idle:
            pending = request()
        # what is not valid must leave no trace
        bank, index, count, words = pending or request()
        payload = {"bank": bank, "index": index, "count": count}
        payload["data"] = [word % (2 * half) for word in words]
        dut.i__valid.value = pending is not None
        dut.i__payload.value = pack(operands_layout(params), payload)
        locked = rng.getrandbits(4) if locking else 0
        dut.locked.value = locked
        await RisingEdge(dut.clk)
        for each, vector in vectors.items():
            rtl = from_planes(read(ports[each]), len(vector), bits)
            golden = [abs(item) if each in signs else item % (2 * half) for item in vector]
            compare("XbarIn", f"cycle {cycle}, {each.name}", golden, rtl, ("line",))
            if each in signs:
                negative = from_planes(read(signs[each]), len(vector), 1)
                golden = [int(item < 0) for item in vector]
                compare("XbarIn", f"cycle {cycle}, {each.name} signs", golden, negative, ("line",))
        ready = not locked >> bank & 1
        inside = min(count, max(0, len(vectors[bank]) - index))
        taken = pending is not None and ready
        dropped = taken and inside < count
        compare_pins("XbarIn", f"cycle {cycle}", dut, i__ready=ready, dropped=dropped)
        if taken:
            vectors[bank][index : index + inside] = words[:inside]
            pending = None
        await FallingEdge(dut.clk)
