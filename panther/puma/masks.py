"""Reader counts become reader masks, and words get a place that suits our memory.

PUMA counts how many will read what is stored; we name them. Programs are straight lines, so who
reads which words stands in the text: addresses are constants that ``set`` puts into registers, and
the words a unit reads are those stored under the same address. Where words are stored several
times, one unit has to store and one to read all of them: with two readers a count would let one of
them read twice before the other one reads at all, and the text would not say what is read.

Our memory counts readers by groups of four words, so words that are stored together begin at a
group and have their groups for themselves: a transfer of 10 words takes up 12.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from panther.arch.core import LANES
from panther.arch.tile import SEND_READER
from panther.puma.text import (
    MEMORY_WORDS,
    SEQUENCER,
    Instruction,
    PumaError,
    PumaProgram,
    Unit,
)

INPUT_TILE = 0
"""Sends what the host has stored."""
OUTPUT_TILE = 1
"""Receives what the host reads."""

Place = tuple[int, int, int]
"""Tile, unit, and number of a line in its program."""


@dataclass(frozen=True, kw_only=True)
class Buffer:
    """Words of a tile's memory that are always stored and read together."""

    tile: int
    address: int
    """In the text."""
    length: int
    place: int
    """Where we put them: a multiple of four."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What the lines that touch a memory do."""

    buffers: tuple[Buffer, ...]
    used: Mapping[Place, Buffer]
    """The words each of these lines stores or reads."""
    readers: Mapping[Place, int]
    """Of each line that stores: bit n is core n, bit 8 the send unit."""
    takes: frozenset[Place]
    """Lines that are the last ones of their core to read what they read."""
    inputs: tuple[Place, ...]
    """Sends of what the host has stored, in their order."""
    outputs: tuple[Place, ...]
    """Receives of what the host reads, in their order."""


@dataclass(kw_only=True)
class _Uses:
    """Lines that touch the same words, by unit in the order of its program."""

    tile: int
    address: int
    length: int
    writes: list[tuple[Place, Instruction]] = field(default_factory=list)
    reads: list[tuple[Place, Instruction]] = field(default_factory=list)


def assign_readers(program: PumaProgram) -> Plan:
    """Find who reads what, and compare with the counts in the text.

    Raises
    ------
    PumaError
        If an address is not known before the run, transfers overlap in part, a count is not the
        number of readers found, nobody stores what is read, or it cannot be said who reads which of
        several stores; also if messages and those who wait for them do not fit together.
    """
    _check_messages(program)
    buffers: list[Buffer] = []
    used: dict[Place, Buffer] = {}
    readers: dict[Place, int] = {}
    takes: set[Place] = set()
    inputs: list[Place] = []
    outputs: list[Place] = []
    for tile in range(program.tiles):
        free = 0
        found = _uses(program, tile)
        inputs += [_input(uses) for uses in found if not uses.writes]
        for uses in found:
            place = max(free, -(-uses.address // LANES) * LANES)
            free = place + -(-uses.length // LANES) * LANES
            if free > MEMORY_WORDS:
                line = (uses.writes + uses.reads)[0][1]
                raise PumaError(
                    f"{line.where}: words that begin at groups of {LANES} must fit into "
                    f"{MEMORY_WORDS}, not take up {free}"
                )
            buffer = Buffer(tile=tile, address=uses.address, length=uses.length, place=place)
            buffers.append(buffer)
            for where, _ in uses.writes + uses.reads:
                used[where] = buffer
            if uses.writes:
                mask = _mask(uses, outputs)
                readers.update((where, mask) for where, _ in uses.writes)
                takes |= _takes(uses)
    return Plan(
        buffers=tuple(buffers), used=used, readers=readers, takes=frozenset(takes),
        inputs=tuple(sorted(inputs)), outputs=tuple(sorted(outputs)),
    )  # fmt: skip


def _uses(program: PumaProgram, tile: int) -> list[_Uses]:
    """All words of a tile that are touched, in the order of their addresses."""
    found: dict[tuple[int, int], _Uses] = {}
    for (other, unit), lines in program.units.items():
        if other != tile:
            continue
        for number, (line, address) in enumerate(zip(lines, addresses(lines), strict=True)):
            if address is None:
                continue
            key = address, line.length
            uses = found.setdefault(key, _Uses(tile=tile, address=address, length=line.length))
            stores = line.name in ("store", "receive")
            (uses.writes if stores else uses.reads).append(((tile, unit, number), line))
    ordered = [found[key] for key in sorted(found)]
    for before, after in pairwise(ordered):
        if after.address < before.address + before.length:
            first, second = (uses.writes + uses.reads for uses in (before, after))
            raise PumaError(
                f"{second[0][1].where}: words {after.address} to "
                f"{after.address + after.length - 1} must be all or none of those of "
                f"{first[0][1].where}, {before.address} to {before.address + before.length - 1}"
            )
    return ordered


def addresses(lines: Sequence[Instruction]) -> list[int | None]:
    """Of each line the memory address it uses, if it uses one."""
    known: dict[int, int] = {}
    found: list[int | None] = []
    for line in lines:
        operands = line.operands
        address = operands.get("mem_addr")
        if line.name in ("load", "store"):
            pointer = operands["r1" if line.name == "load" else "d1"]
            if pointer not in known:
                raise PumaError(
                    f"{line.where}: register {pointer} must hold an address that is known before "
                    "the run: one that set has put there"
                )
            address = known[pointer]
        if address is not None and not 0 <= address <= MEMORY_WORDS - line.length:
            raise PumaError(
                f"{line.where}: words {address} to {address + line.length - 1} must lie in the "
                f"memory of {MEMORY_WORDS} words"
            )
        found.append(address)
        if line.name == "store" or "d1" not in operands:
            continue
        first, count = operands["d1"], line.length
        values = [known.get(operands["r1"] + n) if line.name == "copy" else None
                  for n in range(count)]  # fmt: skip
        if line.name == "set":
            values = [operands["imm"]] * count
        for n, value in enumerate(values):
            if value is None:
                known.pop(first + n, None)
            else:
                known[first + n] = value
    return found


def _input(uses: _Uses) -> Place:
    """The send of words that nobody stores."""
    place, line = uses.reads[0]
    if (uses.tile, place[1]) != (INPUT_TILE, SEQUENCER):
        raise PumaError(
            f"{line.where}: words {uses.address} to {uses.address + uses.length - 1} of tile "
            f"{uses.tile} must be stored by somebody; only what tile {INPUT_TILE} sends comes "
            "from the host"
        )
    if len(uses.reads) > 1:
        raise PumaError(
            f"{uses.reads[1][1].where}: words the host has stored must be sent once, as "
            f"{line.where} does"
        )
    return place


def _name(place: Place, line: Instruction) -> str:
    return f"{'send unit' if place[1] == SEQUENCER else f'core {place[1]}'} ({line.where})"


def _mask(uses: _Uses, outputs: list[Place]) -> int:
    """Mask of the readers of all stores of the same words."""
    stores = len(uses.writes)
    by_unit: dict[int, list[tuple[Place, Instruction]]] = {}
    for place, line in uses.reads:
        by_unit.setdefault(place[1], []).append((place, line))
    first, line = uses.writes[0]
    found = ", ".join(_name(*read) for read in uses.reads) or "none"
    if stores > 1:
        _check_rounds(uses, by_unit, found)
    if not uses.reads and first[:2] == (OUTPUT_TILE, SEQUENCER) and stores == 1:
        if line.operands["counter"] != 1:
            raise PumaError(f"{line.where}: counter must be 1, for the host alone reads the words")
        outputs.append(first)
        return 0
    if not uses.reads:
        raise PumaError(f"{line.where}: words must be read by somebody, or why store them?")
    for _, line in uses.writes:
        count = len(uses.reads) // stores
        if line.operands["counter"] != count:
            raise PumaError(
                f"{line.where}: counter must be {count}, the number of readers, not "
                f"{line.operands['counter']}; readers found: {found}"
            )
    twice = by_unit.get(SEQUENCER, [])
    if stores == 1 and len(twice) > 1:
        raise PumaError(
            f"{twice[1][1].where}: words must be sent once, as {twice[0][1].where} does"
        )
    return sum(1 << (SEND_READER if unit == SEQUENCER else unit) for unit in by_unit)


def _check_rounds(
    uses: _Uses, by_unit: Mapping[int, list[tuple[Place, Instruction]]], found: str
) -> None:
    """Refuse stores to the same words of which it cannot be said who reads which."""
    stores = len(uses.writes)
    writers = {place[1] for place, _ in uses.writes}
    line = uses.writes[1][1]
    if len(writers) > 1:
        raise PumaError(
            f"{line.where}: words must be stored by one unit only, and not by that of "
            f"{uses.writes[0][1].where} as well"
        )
    if len(by_unit) != 1 or len(uses.reads) != stores:
        raise PumaError(
            f"{line.where}: words that are stored {stores} times must be read by one unit, as many "
            f"times; readers found: {found}"
        )


def _takes(uses: _Uses) -> set[Place]:
    """Reads that strike their reader off."""
    if len(uses.writes) > 1:
        return {place for place, _ in uses.reads}
    return set({place[1]: place for place, _ in uses.reads}.values())


def _check_messages(program: PumaProgram) -> None:
    """Refuse messages that do not fit to those who wait for them, queue by queue."""
    sent: dict[tuple[int, int], list[tuple[Unit, Instruction]]] = {}
    waited: dict[tuple[int, int], list[Instruction]] = {}
    for unit, lines in program.units.items():
        for line in lines:
            if line.name == "send":
                tile, queue = line.operands["target_addr"], line.operands["vtile_id"]
                if tile >= program.tiles:
                    raise PumaError(
                        f"{line.where}: target_addr must be one of {program.tiles} tiles, "
                        f"not {tile}"
                    )
                queue_of = sent.setdefault((tile, queue), [])
                if queue_of and queue_of[0][0] != unit:
                    raise PumaError(
                        f"{line.where}: vtile_id must be that of one sender, not that of "
                        f"{queue_of[0][1].where} as well"
                    )
                queue_of.append((unit, line))
            elif line.name == "receive":
                waited.setdefault((unit[0], line.operands["vtile_id"]), []).append(line)
    for key in sorted({*sent, *waited}):
        senders, receivers = sent.get(key, []), waited.get(key, [])
        for (_, send), receive in zip(senders, receivers, strict=False):
            if send.length != receive.length:
                raise PumaError(
                    f"{receive.where}: message must have {send.length} words, as many as "
                    f"{send.where} sends, not {receive.length}"
                )
        if len(senders) > len(receivers):
            line = senders[len(receivers)][1]
            raise PumaError(f"{line.where}: message must be received; tile {key[0]} does not")
        if len(receivers) > len(senders):
            line = receivers[len(senders)]
            raise PumaError(f"{line.where}: message must be sent; nobody does, as {key[1]}")
