"""What a loop program computes, as the sequential program it is, with plain integers.

Slow and literal; compiler passes are checked against it. Crossbars are ideal, as
``docs/isa.md`` says of MVM, MTVM, OPA and CRS; functions by table are given from outside.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from panther.arch.params import McuParams
from panther.compiler.loops import (
    HISTORY,
    Address,
    Core,
    Deliver,
    Every,
    Loop,
    LoopProgram,
    Op,
    Statement,
)

Ints = NDArray[np.int64]
Function = Callable[[Ints, int], Ints]
"""Words and their fraction bits to words."""

HIGH, LOW = 32767, -32768


def _round(a: Ints, shift: int) -> Ints:
    return (a + ((1 << shift) >> 1)) >> shift


def _saturate(a: Any) -> Ints:
    limited: Ints = np.clip(a, LOW, HIGH)
    return limited


class CrossbarState:
    """Cells of one matrix unit, the copies that are read with variant V3, and its registers."""

    def __init__(self, params: McuParams) -> None:
        self.params = params
        shape = (params.slices.count, params.rows, params.columns)
        self.cells = np.zeros(shape, np.int64)
        self.copies = self.cells.copy()
        self.set = {"rows": params.rows, "columns": params.columns, "eager": 0}
        self.banks = {
            "mvm_in": np.zeros(params.rows, np.int64),
            "mtvm_in": np.zeros(params.columns, np.int64),
            "opa_rows": np.zeros(params.rows, np.int64),
            "opa_columns": np.zeros(params.columns, np.int64),
            "mvm_out": np.zeros(params.columns, np.int64),
            "mtvm_out": np.zeros(params.rows, np.int64),
        }

    def load(self, cells: Any) -> None:
        self.cells[:] = cells
        self.copies[:] = cells

    def _weights(self) -> Any:
        cells = self.copies if self.set["eager"] else self.cells
        places = [1 << (k * self.params.slices.value_bits) for k in range(len(cells))]
        return np.tensordot(np.array(places, object), cells.astype(object), 1)

    def run(self, operation: str) -> None:
        if operation == "opa":
            self._opa()
            return
        columns = operation == "mvm"
        weights = self._weights()
        exact = self.banks[f"{operation}_in"].astype(object) @ (weights if columns else weights.T)
        used = self.set["columns" if columns else "rows"]
        shift = self.set.get(f"{operation}_shift", 0)
        words = [min(max((int(v) + ((1 << shift) >> 1)) >> shift, LOW), HIGH) for v in exact[:used]]
        self.banks[f"{operation}_out"][:used] = words

    def _opa(self) -> None:
        slices, bits = self.params.slices, self.params.operand_bits
        x, e = self.banks["opa_rows"], self.banks["opa_columns"]
        sign = np.sign(x)[:, np.newaxis] * np.sign(e)
        for k in range(slices.count):
            low = k * slices.value_bits
            total = np.zeros(sign.shape, np.int64)
            for j in range(bits):
                digit = (np.abs(e) << j) >> low
                if k < slices.count - 1:
                    digit &= (1 << slices.value_bits) - 1
                total += ((np.abs(x) >> j) & 1)[:, np.newaxis] * digit
            self.cells[k] = np.clip(self.cells[k] + sign * total, *slices.cell_range(k))

    def resolve(self) -> None:
        slices = self.params.slices
        rows, columns = self.set["rows"], self.set["columns"]
        carry = np.zeros((rows, columns), np.int64)
        half = 1 << (slices.value_bits - 1)
        for k in range(slices.count):
            t = self.cells[k, :rows, :columns] + carry
            if k == slices.count - 1:
                self.cells[k, :rows, :columns] = np.clip(t, *slices.cell_range(k))
            else:
                kept = ((t + half) & (2 * half - 1)) - half
                carry = (t - kept) >> slices.value_bits
                self.cells[k, :rows, :columns] = kept
        self.copies[:, :rows] = self.cells[:, :rows]


class Interpreter:
    """A loop program's state.

    Parameters
    ----------
    program
        What is run.
    mcu
        The crossbars.
    batch
        Examples of a batch.
    functions
        ``vi.exp``, ``vi.sigmoid``, ``vi.tanh`` and whatever else of them the program uses.
    history
        Batches before that are kept.
    """

    def __init__(
        self, program: LoopProgram, mcu: McuParams, batch: int, functions: Mapping[str, Function],
        history: int = 0,
    ) -> None:  # fmt: skip
        self.program, self.functions = program, functions
        self.units: dict[tuple[Core, str], CrossbarState] = {}
        self.mcu = mcu
        self.registers: dict[tuple[Core, str], Ints] = {}
        self.scalars: dict[tuple[Core, str], int] = {}
        self.left: dict[tuple[Core, str], int] = {}
        self.memory: dict[tuple[Core, str], Ints] = {}
        for buffer in program.buffers:
            rows = {"static": 1, "slot": batch * (history + 1), "example": batch}[buffer.space]
            shape = (rows, buffer.words)
            self.memory[buffer.core, buffer.name] = np.zeros(shape, np.int64)
        self._count, self._size, self._history = batch, batch, history
        self._batches = 0
        self._run(program.prologue, {})

    def unit(self, core: Core, name: str) -> CrossbarState:
        if (core, name) not in self.units:
            self.units[core, name] = CrossbarState(self.mcu)
        return self.units[core, name]

    def batch(self, count: int) -> None:
        """One batch of so many examples; they lie in the buffers of space ``example``."""
        self._count = count
        self._run(self.program.body, {})
        self._batches += 1

    def _times(self, count: int | str) -> int:
        if count == HISTORY:
            return min(self._batches, self._history)
        return self._count if isinstance(count, str) else count

    def _run(self, statements: Sequence[Statement], variables: dict[str, int]) -> None:
        for s in statements:
            if isinstance(s, Loop):
                for n in range(self._times(s.count)):
                    self._run(s.body, {**variables, s.variable: n})
            elif isinstance(s, Every):
                left = self.left.get((s.core, s.counter), s.period) - 1
                if not left:
                    self._run(s.body, variables)
                self.left[s.core, s.counter] = left or s.period
            elif isinstance(s, Deliver):
                words = self._words(s.source, s.register, s.length).copy()
                for core, register in s.targets:
                    self._words(core, register, s.length)[:] = words
            else:
                self._op(s, variables)

    def _words(self, core: Core, register: Any, length: int) -> Ints:
        if register.bank:
            unit, bank = register.name.split(".")
            words = self.unit(core, unit).banks[bank]
        else:
            words = self.registers.setdefault((core, register.name), np.zeros(1024, np.int64))
        assert register.offset + length <= len(words), f"{core} {register} {length}"
        part: Ints = words[register.offset : register.offset + length]
        return part

    def _memory(self, core: Core, address: Any, variables: dict[str, int], length: int) -> Ints:
        buffer = self.program.buffer(core, address.buffer)
        words = self.memory[core, address.buffer]
        index = variables.get("example", variables.get("replay", 0))
        if buffer.space == "static":
            index = 0
        elif buffer.space == "slot":
            number = self._batches - (variables["age"] + 1 if "age" in variables else 0)
            index += number % (self._history + 1) * self._size
        row = words[index]
        start = address.offset + sum(step * variables[name] for name, step in address.steps)
        assert 0 <= start <= start + length <= len(row), f"{core} {address} {variables} {length}"
        part: Ints = row[start : start + length]
        return part

    def _scalar(self, core: Core, scalar: Any) -> int:
        name = scalar.name
        return int(name[1:]) if name.startswith("=") else self.scalars[core, name]

    def _op(self, op: Op, variables: dict[str, int]) -> None:
        core, name = op.core, op.name
        o: tuple[Any, ...] = op.operands
        group, _, function = name.partition(".")
        if name == "mcfg":
            self.unit(core, str(o[0])).set[str(o[1])] = int(str(o[2]))
        elif name == "mcu":
            unit, _, operation = str(o[0]).partition(":")
            self.unit(core, unit).run(operation)
        elif name == "crs":
            self.unit(core, str(o[0])).resolve()
        elif name in ("ld", "st"):
            words, memory = self._words(core, o[0], o[2]), self._memory(core, o[1], variables, o[2])
            if name == "ld":
                words[:] = memory
            else:
                memory[:] = words
        elif name == "ld2":
            place, address, length, rows, stride = o
            words = self._words(core, place, length * rows)
            for row in range(rows):
                there = Address(address.buffer, address.offset + row * stride, address.steps)
                memory = self._memory(core, there, variables, length)
                words[row * length : (row + 1) * length] = memory
        elif name == "vset":
            self._words(core, o[0], o[2])[:] = o[1]
        elif group == "vr":
            words = self._words(core, o[1], o[2])
            value = words.max() if function == "max" else words.sum()
            self.scalars[core, o[0].name] = int(value)
        else:
            self._vector(core, group, function, o)

    def _vector(self, core: Core, group: str, function: str, o: tuple[Any, ...]) -> None:
        lengths = [v for v in o[2:] if isinstance(v, int)]
        table = f"{group}.{function}" in self.functions
        binary = not (table or function in ("mov", "shl", "shr"))
        immediate = group == "vi" and binary
        length = lengths[1] if immediate else lengths[0]
        parameter = lengths[-1]
        d, a = self._words(core, o[0], length), self._words(core, o[1], length).copy()
        if table:
            d[:] = self.functions[f"{group}.{function}"](a, parameter)
            return
        if function == "mov":
            d[:] = a
            return
        b: Any = 0
        if binary:
            if group == "v":
                b = self._words(core, o[2], length).copy()
            else:
                b = o[2] if immediate else self._scalar(core, o[2])
        d[:] = _result(function, a, b, parameter)


def _result(function: str, a: Ints, b: Any, parameter: int) -> Ints:
    if function == "satg":
        outward = ((b == HIGH) & (a < 0)) | ((b == LOW) & (a > 0))
        return np.where(outward, 0, a)
    if function == "div":
        numerator = a << parameter
        size = (2 * np.abs(numerator) + abs(b)) // (2 * abs(b))
        return _saturate(np.sign(numerator) * np.sign(b) * size)
    plain: dict[str, Callable[[], Any]] = {
        "add": lambda: _saturate(a + b),
        "sub": lambda: _saturate(a - b),
        "rsub": lambda: _saturate(b - a),
        "mul": lambda: _saturate(_round(a * b, parameter)),
        "and": lambda: a & b,
        "or": lambda: a | b,
        "andn": lambda: a & ~b,
        "cgt": lambda: np.where(a > b, -1, 0),
        "ceq": lambda: np.where(a == b, -1, 0),
        "max": lambda: np.maximum(a, b),
        "min": lambda: np.minimum(a, b),
    }
    result: Ints = plain[function]()
    return result
