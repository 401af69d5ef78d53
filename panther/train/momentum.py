"""Operands of batches before, between the memories of a node and a trainer's state.

With momentum every core that applies outer products keeps the tensor its matrix takes and the
matrix's multiplied errors, for every example of the present batch and of those before it: slots in
a ring. A trainer's state has them as row and column operands.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from golden.kernels import image
from golden.network import State
from panther.arch.formats import Fixed
from panther.arch.network import Kind, Node, padded
from panther.compiler.schedule import Map, Scheduler
from panther.compiler.tiling import FEEDBACK
from panther.host import now
from panther.train.machine import Machine

Ints = NDArray[np.int64]
Unit = tuple[int, int]


class Kept:
    """What a machine keeps of batches before.

    Parameters
    ----------
    machine : Machine
        At rest.
    """

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        compiled = machine.compiled
        self.network, self.plan, self.layout = compiled.network, compiled.plan, compiled.layout
        self._schedule = Scheduler(self.network, self.plan, compiled.steps, compiled.placed)

    def state(self) -> State:
        """As in :meth:`golden.network.NetworkTrainer.state`."""
        found: State = {}
        for node in self.network.matrices:
            for core in self._schedule.cores(node.name):
                slots = self._read(core)
                for age in range(min(self.machine.batches, self.plan.history)):
                    words = slots[self._place(age)]
                    tensor = self._interior(core, self._schedule.kept(node), words)
                    errors = self._interior(core, f"d.{node.name}", words)
                    key = f"history/{age}/{node.name}"
                    rows = self._array(found, f"{key}/rows", self.network.rows(node))
                    columns = self._array(found, f"{key}/columns", node.shape[2])
                    driven, erred = self._parts(node, core)
                    rows[:, driven] = self._gathered(node, tensor)[:, driven]
                    columns[:, erred] = errors.reshape(len(columns), -1)[:, erred]
        return found

    def restore(self, state: Mapping[str, Any]) -> None:
        """Write what :meth:`state` of this or another machine, or a trainer's, has."""
        for core in {c for n in self.network.matrices for c in self._schedule.cores(n.name)}:
            slots = np.zeros_like(self._read(core))
            for node in self.network.matrices:
                if core not in self._schedule.cores(node.name):
                    continue
                for age in range(self.plan.history):
                    key = f"history/{age}/{node.name}"
                    if f"{key}/rows" not in state:
                        break
                    words = slots[self._place(age)]
                    tensor = self._interior(core, self._schedule.kept(node), words)
                    self._scattered(node, np.asarray(state[f"{key}/rows"], np.int64), tensor)
                    errors = self._interior(core, f"d.{node.name}", words)
                    errors[:] = np.asarray(state[f"{key}/columns"]).reshape(errors.shape)
            address, _ = self.layout.slots[core]
            now(self.machine.host.write_memory(core[0], address, slots.reshape(-1)))
        self.machine.cleared = True

    def _place(self, age: int) -> int:
        """In the ring, of a batch so many before the last one."""
        return (age - self.machine.batches) % (self.plan.history + 1)

    def _array(self, found: State, key: str, width: int) -> NDArray[np.int16]:
        """Operands of a batch, zeros to begin with."""
        node = self.network[key.split("/")[2]]
        height = self.plan.batch * node.shape[0] * node.shape[1]
        array = found.setdefault(key, np.zeros((height, width), np.int16))
        assert isinstance(array, np.ndarray)
        return array

    def _read(self, core: Unit) -> Ints:
        """All slots, shape (batches, examples, words)."""
        address, words = self.layout.slots[core]
        shape = (self.plan.history + 1, self.plan.batch, words)
        found = now(self.machine.host.read_memory(core[0], address, int(np.prod(shape))))
        return found.astype(np.int64).reshape(shape)

    def _interior(self, core: Unit, name: str, words: Ints) -> Ints:
        """View of a tensor in the slots of a batch, shape (examples, height, width, channels)."""
        map_: Map = self._schedule.maps[core, name]
        start = self.layout.buffers[core, name].offset
        (height, width, channels), (up, left) = map_.shape, map_.around
        whole = words[:, start : start + map_.words]
        whole = whole.reshape(len(words), height + 2 * up, width + 2 * left, map_.pitch)
        return whole[:, up : up + height, left : left + width, :channels]

    def _parts(self, node: Node, core: Unit) -> tuple[list[int], list[int]]:
        """Rows and columns of a matrix that a core has crossbars of."""
        rows: set[int] = set()
        columns: set[int] = set()
        for placed in self.machine.compiled.placed:
            c = placed.crossbar
            if placed.core == core and c.matrix.removesuffix(FEEDBACK) == node.name:
                back = c.matrix.endswith(FEEDBACK)
                rows.update(c.columns if back else c.rows)
                columns.update(c.rows if back else c.columns)
        return sorted(rows), sorted(columns)

    def _gathered(self, node: Node, tensor: Ints) -> Ints:
        """Row operands of a batch, shape (pixels of all examples, rows)."""
        height, width, _ = node.shape
        rows = np.zeros((len(tensor), height, width, self.network.rows(node)), np.int64)
        one = Fixed(fraction=self.plan.fraction(self.network, node.inputs[0])).one
        at = (*node.kernel, *node.stride, *node.padding)
        image.gather(np.ascontiguousarray(tensor), at, padded(tensor.shape[3]), one, rows)
        return rows.reshape(-1, rows.shape[3])

    def _scattered(self, node: Node, rows: Ints, tensor: Ints) -> None:
        """Words of windows to where they came from."""
        height, width, channels = tensor.shape[1:]
        windows = rows.reshape(len(tensor), *node.shape[:2], -1)
        for y, x, ky, kx in _windows(node):
            at = (y * node.stride[0] - node.padding[0] + ky,
                  x * node.stride[1] - node.padding[1] + kx)  # fmt: skip
            if 0 <= at[0] < height and 0 <= at[1] < width:
                first = (ky * node.kernel[1] + kx) * padded(channels)
                tensor[:, at[0], at[1]] = windows[:, y, x, first : first + channels]


def _windows(node: Node) -> Iterator[tuple[int, int, int, int]]:
    """Pixels of a matrix's result, and pixels of their windows."""
    assert node.kind == Kind.MATRIX
    for index in np.ndindex(*node.shape[:2], *node.kernel):
        y, x, ky, kx = (int(n) for n in index)
        yield y, x, ky, kx
