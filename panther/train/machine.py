"""A compiled network on a node: weights in, batches through, weights out.

Works through :class:`panther.host.Host`, so at transaction level and in RTL alike. The host puts
examples as records into the memories of the tiles that want them, learning rates and the OPAs left
until the next CRS beside them, and starts all cores; a run ends at the end of a batch.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from panther.arch.checks import check_range
from panther.arch.core import LANES
from panther.arch.network import Network, padded
from panther.compiler.allocation import RUN_EPOCHS
from panther.compiler.compile import Compiled
from panther.compiler.schedule import LABEL, around_input
from panther.compiler.tiling import FEEDBACK
from panther.host import Host

Ints = NDArray[np.int64]
Cells = NDArray[np.int16]


class Machine:
    """A compiled network and the host of the node it is on.

    Parameters
    ----------
    host
        Of a node with ``compiled.node``'s parameters.
    compiled
        The programs.
    """

    def __init__(self, host: Host, compiled: Compiled) -> None:
        self.host, self.compiled = host, compiled
        self.opas = {name: 0 for name in self.matrices}
        """OPAs of every matrix since its last CRS."""
        self.batches = 0
        """Batches trained so far, whose outer products momentum applies again."""
        self.cleared = False
        """Whether the slots of batches before have been written, by the host or by programs."""
        self._counts: tuple[int, int, int] | None = None

    @property
    def matrices(self) -> dict[str, tuple[int, int]]:
        """Rows and columns of every matrix, transposed ones included."""
        return shapes(self.compiled)

    @property
    def room(self) -> int:
        """Examples one run may have."""
        return self.compiled.layout.room

    async def load_cells(self, cells: Mapping[str, Cells]) -> None:
        """Cells of all matrices, shape (slices, rows, columns) each, into their crossbars."""
        mcu = self.compiled.node.tile.core.mcu
        for placed in self.compiled.placed:
            c = placed.crossbar
            array = np.zeros((mcu.slices.count, mcu.rows, mcu.columns), np.int16)
            part = cells[c.matrix][:, c.rows.start : c.rows.stop, c.columns.start : c.columns.stop]
            array[:, : len(c.rows), : len(c.columns)] = part
            await self.host.write_cells(*placed.core, placed.unit, array)

    async def read_cells(self) -> dict[str, Cells]:
        """Cells of all matrices; what should be equal copies is checked to be.

        Raises
        ------
        RuntimeError
            If two copies of a crossbar differ.
        """
        slices = self.compiled.node.tile.core.mcu.slices.count
        found = {
            name: np.zeros((slices, *shape), np.int16) for name, shape in self.matrices.items()
        }
        seen: set[tuple[str, int, int]] = set()
        for placed in self.compiled.placed:
            c = placed.crossbar
            array = await self.host.read_cells(*placed.core, placed.unit)
            array = array[:, : len(c.rows), : len(c.columns)]
            part = found[c.matrix][:, c.rows.start : c.rows.stop, c.columns.start : c.columns.stop]
            if (c.matrix, c.row_tile, c.column_tile) in seen and (part != array).any():
                raise RuntimeError(f"Copies of {c} must be equal")
            seen.add((c.matrix, c.row_tile, c.column_tile))
            part[:] = array
        return found

    async def run(
        self, x: Ints, labels: Ints, *, batch: int, epochs: Sequence[int] = (0,),
        limit_cycles: int = 1 << 40, clear_counters: bool = False,
    ) -> None:  # fmt: skip
        """Train on examples, ``len(x) / batch`` batches, once for each of ``epochs``.

        Parameters
        ----------
        x
            Words, shape (examples, height, width, channels).
        labels
            Shape (examples,).
        batch
            Examples of a batch; at most that of the plan, with momentum not fewer either.
        epochs
            Numbers of the epochs, for their learning rates; at most ``RUN_EPOCHS``.
        limit_cycles
            In which one of the units has to end.
        clear_counters
            Clear the performance counters when all is in place, so that they tell of the run alone.

        Raises
        ------
        ValueError
            If the examples are no whole number of batches, or do not fit, if the epochs are too
            many, or if a batch with momentum is not as large as the plan's.
        HostError
            If a unit stops with a fault.
        """
        if len(x) % batch or not 0 < len(x) <= self.room:
            raise ValueError(
                f"Examples must be whole batches of {batch}, at most {self.room}, not {len(x)}"
            )
        check_range("Epochs of a run", len(epochs), 1, RUN_EPOCHS)
        plan = self.compiled.plan
        if plan.history and batch != plan.batch:
            raise ValueError(f"Batch must be {plan.batch} with momentum, not {batch}")
        counts = (len(epochs), len(x) // batch, batch)
        if counts != self._counts:
            self._counts = None
            await self.host.load_programs(self.compiled.programs(*counts))
            self._counts = counts
        await self._write_examples(x, labels)
        await self._write_parameters(epochs)
        await self._clear_rings()
        if clear_counters:
            await self.host.clear_counters()
        await self.host.run(dict.fromkeys(self.compiled.texts, 0), limit_cycles)
        self._count_opas(len(x) * len(epochs))

    def _count_opas(self, examples: int) -> None:
        plan, network = self.compiled.plan, self.compiled.network
        if plan.history:
            first, self.batches = self.batches, self.batches + examples // plan.batch
            ages = range(first, self.batches)
            examples += plan.batch * sum(min(age, plan.history) for age in ages)
        for name in self.opas:
            height, width, _ = network[name.removesuffix(FEEDBACK)].shape
            total = self.opas[name] + examples * height * width
            period = None if plan.variant == "V3" else plan.crs_period
            self.opas[name] = 0 if period is None else total % period

    async def _clear_rings(self) -> None:
        """Words around images, which programs that keep batches do not write."""
        layout = self.compiled.layout
        for core, (address, words) in layout.slots.items():
            if layout.ring(core) and not self.cleared:
                words *= layout.batch * (layout.history + 1)
                await self.host.write_memory(core[0], address, np.zeros(words, np.int64))
        self.cleared = True

    async def _write_examples(self, x: Ints, labels: Ints) -> None:
        for number, tile in self.compiled.layout.tiles.items():
            if not tile.record_words:
                continue
            memory = np.zeros((len(x), tile.record_words), np.int64)
            for name, (offset, words) in tile.record.items():
                part = records(self.compiled.network, name, x, labels)
                memory[:, offset : offset + words] = part
            await self.host.write_memory(number, tile.examples, memory.reshape(-1))

    async def _write_parameters(self, epochs: Sequence[int]) -> None:
        layout, plan, network = (
            self.compiled.layout, self.compiled.plan, self.compiled.network,
        )  # fmt: skip
        left = {name: (plan.crs_period or 0) - done for name, done in self.opas.items()}
        for core, address in layout.parameters.items():
            counters = np.array(layout.first_words(core, left, self.batches), np.int64)
            rates = np.zeros((len(epochs), layout.rate_words(core)), np.int64)
            for row, epoch in enumerate(epochs):
                for n, name in enumerate(layout.rates[core]):
                    rates[row, n] = -plan.rate(network, network[name], epoch).multiplier
            words = np.concatenate([counters, rates.reshape(-1)])
            if len(words):
                await self.host.write_memory(core[0], address, words)


def shapes(compiled: Compiled) -> dict[str, tuple[int, int]]:
    """Rows and columns of every matrix, transposed ones included."""
    found: dict[str, tuple[int, int]] = {}
    for placed in compiled.placed:
        c = placed.crossbar
        rows, columns = found.get(c.matrix, (0, 0))
        found[c.matrix] = (max(rows, c.rows.stop), max(columns, c.columns.stop))
    return found


def records(network: Network, name: str, x: Ints, labels: Ints) -> Ints:
    """What the host writes of examples into a buffer: images with their padding, or labels; shape
    (examples, words of the buffer).
    """
    if name == LABEL:
        found = np.zeros((len(x), LANES), np.int64)
        found[:, 0] = labels
        return found
    height, width, channels = network.nodes[0].shape
    above, left = around_input(network)
    image = np.zeros(
        (len(x), height + 2 * above, width + 2 * left, padded(channels)), np.int64
    )  # fmt: skip
    inside = image[:, above : above + height, left : left + width, :channels]
    inside[:] = x.reshape(inside.shape)
    return image.reshape(len(x), -1)
