"""Random programs in the text of the PUMA compiler, small enough for a node of few cores.

Lines are drawn in one order for all units, in which everything read has been stored, so the
programs come to their end in every other order, too.
"""

import random
from dataclasses import dataclass, field
from pathlib import Path

from panther.arch.node import NodeParams
from panther.puma.text import GENERAL, SEQUENCER

_LENGTHS = {1: (1, 1), 3: (3, 1), 4: (4, 1), 6: (3, 2), 10: (10, 1), 12: (4, 3), 16: (16, 1)}
"""Words of a transfer as width and rows."""
_MOST = 16
_REGISTERS = 40
"""General registers in use."""


@dataclass
class _Buffer:
    tile: int
    address: int
    length: int
    writer: int
    sender: int = 0
    readers: list[int] = field(default_factory=list)
    """Units in the order in which they read."""
    stores: list[dict[str, object]] = field(default_factory=list)


class RandomPuma:
    """Draws a program.

    Parameters
    ----------
    params
        The node.
    seed
        Of the generator.
    steps
        Things done, each by one or two lines.
    """

    def __init__(self, params: NodeParams, seed: int, steps: int = 60) -> None:
        self._params, self._rng = params, random.Random(seed)
        self._mcu = params.tile.core.mcu
        tile = params.tile
        self.units = [
            (t, unit) for t in range(params.tiles) for unit in (*range(tile.cores), SEQUENCER)
        ]
        self._lines: dict[tuple[int, int], list[dict[str, object]]] = {u: [] for u in self.units}
        self._free = dict.fromkeys(range(params.tiles), 0)
        self._buffers: list[_Buffer] = []
        for _ in range(4):
            self._input()
        for _ in range(steps):
            draw = self._rng.random()
            if draw < 0.1:
                self._input()
            elif draw < 0.25:
                self._store()
            elif draw < 0.45:
                self._load()
            elif draw < 0.55:
                self._send()
            elif draw < 0.62:
                self._again()
            else:
                self._compute()
        for buffer in self._buffers:
            if not buffer.readers and buffer.tile != 1:
                self._read(buffer, self._rng.randrange(tile.cores))
            for line in buffer.stores:
                line["counter"] = len(buffer.readers) or 1

    def write(self, folder: Path, name: str = "random") -> None:
        """Write all files."""
        for (tile, unit), lines in self._lines.items():
            core = "" if unit == SEQUENCER else f"-core{unit}"
            last = "halt()" if unit == SEQUENCER else "hlt()"
            texts = [*map(_text, lines), last, ""]
            (folder / f"{name}-tile{tile}{core}.puma").write_text("\n".join(texts))

    def _buffer(self, tile: int, writer: int, length: int, sender: int = 0) -> _Buffer:
        address = self._free[tile] + self._rng.randrange(3)
        self._free[tile] = address + length
        buffer = _Buffer(tile, address, length, writer, sender)
        if tile:
            self._buffers.append(buffer)
        return buffer

    def _room(self, tile: int) -> bool:
        return self._free[tile] + 3 * _MOST < self._params.tile.core.memory_words * 3 // 4

    def _worker(self) -> tuple[int, int]:
        tile = self._rng.randrange(2, self._params.tiles)
        return tile, self._rng.randrange(self._params.tile.cores)

    def _length(self) -> int:
        return self._rng.choice(list(_LENGTHS))

    def _general(self, length: int) -> int:
        # few, so that what is written is read
        return GENERAL + self._rng.randrange(_REGISTERS - length + 1)

    def _message(self, source: _Buffer, tile: int) -> None:
        length = source.length
        width, rows = _LENGTHS[length]
        target = self._buffer(tile, SEQUENCER, length, source.tile)
        common = {"vtile_id": source.tile, "vec": rows}
        self._lines[source.tile, SEQUENCER].append(
            {"": "send", "mem_addr": source.address, **common, "send_width": width,
             "target_addr": tile}
        )  # fmt: skip
        line = {"": "receive", "mem_addr": target.address, **common, "receive_width": width}
        self._lines[tile, SEQUENCER].append(line)
        target.stores.append(line)

    def _input(self) -> None:
        tile = self._rng.randrange(2, self._params.tiles)
        if self._room(0) and self._room(tile):
            self._message(self._buffer(0, SEQUENCER, self._length()), tile)

    def _send(self) -> None:
        sources = [
            buffer for buffer in self._buffers
            if buffer.tile > 1 and SEQUENCER not in buffer.readers and len(buffer.stores) == 1
        ]  # fmt: skip
        tile = self._rng.randrange(1, self._params.tiles)
        if sources and self._room(tile):
            source = self._rng.choice(sources)
            source.readers.append(SEQUENCER)
            self._message(source, tile)

    def _point(self, unit: tuple[int, int], address: int, length: int) -> int:
        """Put an address into a register, now and then by way of another one."""
        pointer = self._general(length)
        self._lines[unit].append({"": "set", "d1": pointer, "imm": address, "vec": 1})
        if self._rng.random() < 0.2:
            other = self._general(length)
            self._lines[unit].append(
                {"": "copy", "d1": other, "r1": pointer, "vec": 1, "src_type": 1}
            )
            return other
        return pointer

    def _store(self) -> None:
        unit = self._worker()
        if self._room(unit[0]):
            self._write(self._buffer(*unit, self._length()))

    def _write(self, buffer: _Buffer) -> None:
        unit = buffer.tile, buffer.writer
        width, rows = _LENGTHS[buffer.length]
        pointer = self._point(unit, buffer.address, 1)
        line: dict[str, object] = {
            "": "store", "d1": pointer, "r1": self._source(buffer.length), "store_width": width,
            "vec": rows,
        }  # fmt: skip
        self._lines[unit].append(line)
        buffer.stores.append(line)

    def _load(self) -> None:
        known = [b for b in self._buffers if b.tile > 1 and len(b.stores) == 1]
        if known:
            buffer = self._rng.choice(known)
            self._read(buffer, self._rng.randrange(self._params.tile.cores))

    def _read(self, buffer: _Buffer, core: int, *, count: bool = True) -> None:
        unit = buffer.tile, core
        width, rows = _LENGTHS[buffer.length]
        pointer = self._point(unit, buffer.address, buffer.length)
        fits = pointer + buffer.length <= GENERAL + _REGISTERS
        target = pointer if fits and self._rng.random() < 0.5 else self._target(buffer.length)
        self._lines[unit].append(
            {"": "load", "d1": target, "r1": pointer, "load_width": width, "vec": rows}
        )
        if count:
            buffer.readers.append(core)

    def _again(self) -> None:
        """Store new words where others were, for the same reader."""
        known = [
            b for b in self._buffers
            if b.writer != SEQUENCER and len(b.readers) == 1 and b.readers[0] != SEQUENCER
        ]  # fmt: skip
        if known:
            buffer = self._rng.choice(known)
            self._write(buffer)
            self._read(buffer, buffer.readers[0], count=False)

    def _banks(self, *, write: bool) -> list[tuple[int, int]]:
        rows, columns = self._mcu.rows, self._mcu.columns
        banks = [(0, rows), (128, columns), (256, rows), (1024, columns)]
        return banks if write else [*banks, (768, columns), (896, rows)]

    def _source(self, length: int) -> int:
        if length <= min(self._mcu.rows, self._mcu.columns) and self._rng.random() < 0.4:
            first, lines = self._rng.choice(self._banks(write=False))
            return first + self._rng.randrange(lines - length + 1)
        return self._general(length)

    def _target(self, length: int) -> int:
        if length <= min(self._mcu.rows, self._mcu.columns) and self._rng.random() < 0.4:
            first, lines = self._rng.choice(self._banks(write=True))
            return first + self._rng.randrange(lines - length + 1)
        return self._general(length)

    def _compute(self) -> None:
        unit, length = self._worker(), self._length()
        draw = self._rng.random()
        line: dict[str, object]
        if draw < 0.25:
            bits = "".join(self._rng.choice("01") for _ in range(3))
            line = {"": "train", "bits": f"['{bits}''000']"}
        elif draw < 0.3:
            line = {"": "mvm", "bits": "['10']"}
        elif draw < 0.4:
            line = {"": "set", "d1": self._target(length),
                    "imm": self._rng.randrange(-1 << 15, 1 << 15), "vec": length}  # fmt: skip
        else:
            target = self._target(length)
            sources = [
                next(s for s in iter(lambda: self._source(length), None)
                     if not 0 < target - s < length)
                for _ in range(2)
            ]  # fmt: skip
            name = self._rng.choice(
                ["copy", "alu add", "alu add", "alu sub", "alu relu", "alui mul"]
            )
            line = {"": name, "d1": target, "r1": sources[0]}
            if name in ("alu add", "alu sub"):
                line["r2"] = sources[1]
            if name == "alui mul":
                line["imm"] = self._rng.choice([0.01, -0.5, 7.99, -8, 1, 0, 2.5, 0.3])
            line["vec"] = length
            if name == "copy":
                line["src_type"] = 1
        self._lines[unit].append(line)


def _text(line: dict[str, object]) -> str:
    name, _, function = str(line[""]).partition(" ")
    if "bits" in line:
        return f"{name}({line['bits']})"
    parts = [f"{key}={value}" for key, value in line.items() if key]
    return f"{name}({', '.join(([repr(function)] if function else []) + parts)})"
