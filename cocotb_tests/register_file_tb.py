"""RegisterFile against the address map, word by word, between units that answer as XbarOut does."""

import random
from dataclasses import dataclass

import cocotb
from amaranth import unsigned
from amaranth.lib import data
from cocotb.triggers import FallingEdge, RisingEdge

from cocotb_tests.compare import compare
from cocotb_tests.designs import core_parameters
from cocotb_tests.drivers import Pauses, corner, pack, start, unpack
from cocotb_tests.pins import compare_pins, read
from hdl.mcu.xbar_in import operands_layout
from panther.arch.core import ADDRESS_BITS, LANES, WORD_BITS, CoreParams
from panther.arch.mcu import INDEX_BITS, InBank, OutBank

CYCLES = 1000
CHECKS = 3000
LONGEST = 63 * 255
PINS = ("valid", "payload", "ready")
ADDRESSES = 1 << ADDRESS_BITS
WORDS = data.ArrayLayout(unsigned(WORD_BITS), LANES)
REQUEST = data.StructLayout({"bank": unsigned(1), "index": unsigned(INDEX_BITS)})
INPUTS = (
    "d", "a", "b", "has_d", "has_a", "has_b", "length", "in_use", "out_use",
    "read_a", "read_b", "address_a", "address_b", "write", "address", "count", "words",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Bank:
    """Words that lie one behind the other, and may be one vector."""

    base: int
    words: int
    kind: str
    mcu: int = 0
    number: int = 0


def banks(params: CoreParams) -> list[Bank]:
    """The address map, as ``panther.arch.core`` tells it."""
    rows, columns = params.mcu.rows, params.mcu.columns
    block = 128 if max(rows, columns) <= 128 else 256
    found = [Bank(base=6144, words=params.registers, kind="general")]
    for mcu in range(params.mcus):
        for n, words in enumerate((rows, columns, rows, columns)):
            base = (4 * mcu + n) * block
            found.append(Bank(base=base, words=words, kind="in", mcu=mcu, number=n))
        for n, words in enumerate((columns, rows)):
            base = 4096 + (2 * mcu + n) * block
            found.append(Bank(base=base, words=words, kind="out", mcu=mcu, number=n))
    return found


def bank_of(found: list[Bank], address: int, words: int) -> Bank | None:
    """The bank that holds all of a vector."""
    for bank in found:
        if bank.base <= address and address + words <= bank.base + bank.words:
            return bank
    return None


def random_words(rng: random.Random) -> list[int]:
    return [corner(rng, 0, (1 << WORD_BITS) - 1) for _ in range(LANES)]


class OutPort:
    """One of the two ports at which a unit's XbarOut is read."""

    def __init__(self, dut, rng: random.Random, mcu: int, port: int) -> None:
        self.rng, self.valid, self.name = rng, False, f"XbarOut {mcu}, port {port}"
        self.request = [getattr(dut, f"o_xbar_out__{mcu}__{port}__{pin}") for pin in PINS]
        self.answer = [getattr(dut, f"i_xbar_out__{mcu}__{port}__{pin}") for pin in PINS]
        self.request[2].value = 1
        self.show(None)

    def show(self, words: list[int] | None) -> None:
        """Answer in the cycle to come."""
        self.valid = words is not None
        self.answer[0].value = self.valid
        self.answer[1].value = pack(WORDS, random_words(self.rng) if words is None else words)

    def sample(self, where: str, asked: tuple[int, int] | None) -> list[int] | None:
        """Compare the request of this cycle; words for the next one, if they change."""
        unit = f"RegisterFile, {self.name}"
        compare(unit, f"{where}, request", int(asked is not None), read(self.request[0]))
        taken = read(self.answer[2])
        if asked is None:
            # whoever takes the words has to go without them from now on
            return [] if self.valid and taken else None
        request = unpack(REQUEST, self.request[1])
        compare(unit, f"{where}, bank, index", asked, (request.bank, request.index), ("field",))
        compare(unit, f"{where}, words before are taken", True, not self.valid or bool(taken))
        return random_words(self.rng)


class Bench:
    """Reads and writes, and knows which words must be seen."""

    def __init__(self, dut, rng: random.Random, pauses: Pauses) -> None:
        self.dut, self.rng, self.pauses = dut, rng, pauses
        self.params = core_parameters()
        self.banks = banks(self.params)
        self.stored: dict[int, int] = {}
        self.ports = [
            [OutPort(dut, rng, mcu, port) for port in range(2)] for mcu in range(self.params.mcus)
        ]
        # what words_a and words_b must show; None is anything
        self.shown: list[list[int | None]] = [[None] * LANES, [None] * LANES]
        for mcu in range(self.params.mcus):
            getattr(dut, f"o_xbar_in__{mcu}__ready").value = 1

    def random_place(self, *kinds: str, words: int) -> tuple[Bank, int]:
        fitting = [bank for bank in self.banks if bank.kind in kinds and bank.words >= words]
        bank = self.rng.choice(fitting)
        if self.rng.random() < 0.3:
            bank = fitting[0]
        last = bank.words - words
        index = self.rng.choice((0, last, self.rng.randint(0, last)))
        # a few places, so what is written is read again
        if self.rng.random() < 0.5:
            index = min(last, self.rng.randrange(12))
        return bank, bank.base + index

    async def tick(self, where: str) -> None:
        dut, rng = self.dut, self.rng
        written: dict[int, int] = {}
        write = not self.pauses
        count = rng.randint(1, LANES)
        target, address = self.random_place("general", "in", words=count)
        words = random_words(rng)
        if write:
            written = {address + n: words[n] for n in range(count)}
        dut.write.value, dut.address.value, dut.count.value = write, address, count
        dut.words.value = pack(WORDS, words)
        reads: list[tuple[Bank, int] | None] = []
        for name in "ab":
            asked = None if self.pauses else self.random_place("general", "in", "out", words=1)
            reads.append(asked)
            at = rng.randrange(ADDRESSES) if asked is None else asked[1]
            getattr(dut, f"read_{name}").value = asked is not None
            getattr(dut, f"address_{name}").value = at
        await RisingEdge(dut.clk)

        # words read before
        for name, shown in zip("ab", self.shown, strict=True):
            bits = str(getattr(dut, f"words_{name}").value)
            for lane, golden in enumerate(shown):
                end = len(bits) - WORD_BITS * lane
                word = bits[end - WORD_BITS : end]
                if golden is not None:
                    rtl = int(word, 2) if set(word) <= {"0", "1"} else -1
                    compare("RegisterFile", f"{where}, words_{name}[{lane}]", golden, rtl)
        # words on their way to XbarIn
        for mcu in range(self.params.mcus):
            mine = write and target.kind == "in" and target.mcu == mcu
            valid = getattr(dut, f"o_xbar_in__{mcu}__valid")
            compare("RegisterFile", f"{where}, o_xbar_in {mcu}", int(mine), read(valid))
            if mine:
                layout = operands_layout(self.params.mcu)
                item = unpack(layout, getattr(dut, f"o_xbar_in__{mcu}__payload"))
                golden_fields = (target.number, address - target.base, count)
                fields = (item.bank, item.index, item.count)
                compare("RegisterFile", f"{where}, place", golden_fields, fields, ("field",))
                rtl = [item.data[n] & 0xFFFF for n in range(count)]
                compare("RegisterFile", f"{where}, data", words[:count], rtl, ("word",))
        # words asked for
        answers = []
        for number, asked in enumerate(reads):
            for mcu, ports in enumerate(self.ports):
                request = None
                if asked is not None and asked[0].kind == "out" and asked[0].mcu == mcu:
                    request = asked[0].number, asked[1] - asked[0].base
                answer = ports[number].sample(where, request)
                answers.append((ports[number], answer))
                if request is not None:
                    self.shown[number] = list(answer or [])
            if asked is not None and asked[0].kind != "out":
                bank, at = asked
                self.shown[number] = [
                    # behind its end, or written at this moment: nobody looks
                    self.stored.get(at + n)
                    if at + n < bank.base + bank.words and at + n not in written
                    else None
                    for n in range(LANES)
                ]
        self.stored |= written
        await FallingEdge(dut.clk)
        for port, answer in answers:
            if answer is not None:
                port.show(answer or None)


@cocotb.test()
@cocotb.parametrize(pause=[0.0, 0.5])
async def words_are_where_the_map_says(dut, pause):
    rng = random.Random(cocotb.RANDOM_SEED)
    await start(dut, *INPUTS)
    bench = Bench(dut, rng, Pauses(rng, pause))
    for cycle in range(CYCLES):
        await bench.tick(f"cycle {cycle}")


class Vectors:
    """Vectors of an instruction, and what the check must say of them."""

    def __init__(self, rng: random.Random, params: CoreParams) -> None:
        self.found = banks(params)
        block = params.block
        self.in_use = rng.getrandbits(len(InBank) * params.mcus)
        self.out_use = rng.getrandbits(len(OutBank) * params.mcus)
        self.length = rng.choice((1, 2, rng.randint(1, 24), rng.randint(1, 260)))
        if rng.random() < 0.1:
            self.length = rng.choice((1023, params.registers, LONGEST, rng.randint(1, LONGEST)))

        def address() -> int:
            bank = rng.choice(self.found)
            edges = (0, bank.words - self.length, bank.words, block - self.length, 6144 - bank.base)
            at = bank.base + rng.choice(edges) + rng.choice((0, 0, -1, 1))
            inside = bank.base + rng.randint(0, max(0, bank.words - self.length))
            at = rng.choice((at, inside, inside, inside))
            # a unit that may not exist
            if rng.random() < 0.1:
                at += rng.choice((4, 2)) * block * rng.randrange(8)
            if rng.random() < 0.05:
                at = rng.randrange(ADDRESSES)
            return min(max(at, 0), ADDRESSES - 1)

        self.at = {name: address() for name in "dab"}
        if rng.random() < 0.5:
            source, length = self.at[rng.choice("ab")], self.length
            near = source + rng.choice((-length, -1, 0, 1, length - 1, length, length + 1))
            self.at["d"] = min(max(near, 0), ADDRESSES - 1)
        self.has = {name: rng.random() < 0.7 for name in "dab"}

    def verdict(self) -> dict[str, int]:
        places = {name: bank_of(self.found, self.at[name], self.length) for name in "dab"}
        bad = overlap = locked = False
        for name, place in places.items():
            if not self.has[name]:
                continue
            bad |= place is None or (name == "d" and place.kind == "out")
            if name != "d" and self.has["d"]:
                overlap |= self.at[name] < self.at["d"] < self.at[name] + self.length
            if place is not None and name == "d" and place.kind == "in":
                locked |= bool(self.in_use >> (len(InBank) * place.mcu + place.number) & 1)
            elif place is not None and name != "d" and place.kind == "out":
                locked |= bool(self.out_use >> (len(OutBank) * place.mcu + place.number) & 1)
        # what is bad never waits
        return {"bad": bad, "overlap": overlap} | ({} if bad else {"locked": locked})


@cocotb.test()
async def vectors_are_checked(dut):
    rng = random.Random(cocotb.RANDOM_SEED)
    params = core_parameters()
    await start(dut, *INPUTS)
    seen = set()
    for number in range(CHECKS):
        vectors = Vectors(rng, params)
        for name in "dab":
            getattr(dut, name).value = vectors.at[name]
            getattr(dut, f"has_{name}").value = vectors.has[name]
        dut.length.value = vectors.length
        dut.in_use.value, dut.out_use.value = vectors.in_use, vectors.out_use
        await RisingEdge(dut.clk)
        verdict = vectors.verdict()
        at = [vectors.at[name] if vectors.has[name] else None for name in "dab"]
        where = f"check {number}, d, a, b = {at}, length {vectors.length}"
        compare_pins("RegisterFile", where, dut, **verdict)
        seen |= set(verdict.items())
        await FallingEdge(dut.clk)
    assert len(seen) == 6, f"the checks must find good and bad, not {seen}"
