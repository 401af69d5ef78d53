"""NetworkPort: which flit goes, what is in it, and where what comes is handed."""

import random

import cocotb
from cocotb.triggers import Timer

from cocotb_tests.compare import compare
from cocotb_tests.drivers import pack, unpack
from cocotb_tests.pins import compare_pins
from hdl.flit import flit_layout
from hdl.tile.receive_unit import credit_layout
from panther.arch.tile import FIFO_BITS, FLIT_FIELDS, TILE_BITS, FlitKind

CHECKS = 1500
FLIT, CREDIT = flit_layout(), credit_layout()
MOST_ROWS = 64


def random_flit(rng: random.Random, kind: FlitKind) -> dict[str, int]:
    flit = {name: rng.getrandbits(bits) for name, bits in FLIT_FIELDS.items()}
    return flit | {"kind": kind}


@cocotb.test()
async def worms_then_credits_then_rows_go(dut):
    rng = random.Random(cocotb.RANDOM_SEED)
    seen = set()
    for number in range(CHECKS):
        tile = rng.getrandbits(TILE_BITS)
        row = random_flit(rng, FlitKind.DATA)
        owed = {
            "tile": rng.getrandbits(TILE_BITS), "fifo": rng.getrandbits(FIFO_BITS),
            "rows": rng.randint(1, MOST_ROWS),
        }  # fmt: skip
        ready, has_row, has_credit = (rng.getrandbits(1) for _ in range(3))
        worm = has_row and rng.getrandbits(1)
        dut.number.value = tile
        dut.row__valid.value, dut.row__payload.value = has_row, pack(FLIT, row)
        dut.credit__valid.value, dut.credit__payload.value = has_credit, pack(CREDIT, owed)
        dut.worm.value, dut.o_flit__ready.value = worm, ready
        await Timer(1, "ns")
        tells = ready and has_credit and not worm
        sends = ready and has_row and not tells
        where = f"check {number}"
        compare_pins("NetworkPort", where, dut, o_flit__valid=tells or sends)
        if has_row:
            compare_pins("NetworkPort", where, dut, row__ready=sends)
        if has_credit:
            compare_pins("NetworkPort", where, dut, credit__ready=tells)
        if tells:
            golden = {
                "head": 1, "tail": 1, "end": 1, "kind": FlitKind.CREDIT, "tile": owed["tile"],
                "fifo": owed["fifo"], "data": owed["rows"],
            }  # fmt: skip
        else:
            golden = dict(row)
        if tells or sends:
            golden["source"] = tile
            rtl = unpack(FLIT, dut.o_flit__payload)
            for name in FLIT_FIELDS:
                compare("NetworkPort", f"{where}, {name}", golden[name], rtl[name])
        seen.add((ready, has_row, has_credit, worm))
    compare("NetworkPort", "cases seen", 12, len(seen))


@cocotb.test()
async def what_comes_is_handed_on(dut):
    rng = random.Random(cocotb.RANDOM_SEED)
    for number in range(CHECKS):
        flit = random_flit(rng, rng.choice(list(FlitKind)))
        if flit["kind"] == FlitKind.CREDIT:
            flit["data"] = rng.randint(1, MOST_ROWS)
        valid = rng.getrandbits(1)
        dut.i_flit__valid.value, dut.i_flit__payload.value = valid, pack(FLIT, flit)
        await Timer(1, "ns")
        where = f"check {number}"
        is_row = flit["kind"] == FlitKind.DATA
        compare_pins(
            "NetworkPort", where, dut,
            i_flit__ready=1, o_row__valid=valid and is_row, returned=valid and not is_row,
        )  # fmt: skip
        if is_row:
            rtl = dut.o_row__payload.value.to_unsigned()
            compare("NetworkPort", f"{where}, row", pack(FLIT, flit), rtl)
        else:
            compare_pins(
                "NetworkPort", where, dut,
                returned_tile=flit["source"], returned_fifo=flit["fifo"],
                returned_rows=flit["data"],
            )  # fmt: skip
