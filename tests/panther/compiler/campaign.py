"""Random networks, compiled for every variant, at transaction level against golden.

``python -m tests.panther.compiler.campaign --networks 200`` trains each on a few random examples
and compares every cell of every matrix; a failure names the seed and the variant.
"""

import argparse
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import numpy as np

from golden import vfu
from golden.network import NetworkTrainer
from models.system.node import Node
from panther.arch.core import CoreParams
from panther.arch.network import MODES
from panther.arch.node import NodeParams
from panther.arch.tile import TileParams
from panther.compiler.compile import compile_network
from panther.compiler.loop_interpreter import Interpreter
from panther.compiler.placement import DoesNotFitError
from panther.compiler.tiling import tile
from panther.host import Host, TransactionTransport, now
from panther.train.machine import Machine, records

EXAMPLES = 4
LIMIT = 20_000_000
FUNCTIONS = {
    "vi.exp": vfu.exponential,
    "vi.sigmoid": vfu.sigmoid,
    "vi.tanh": vfu.tanh,
}


def _networks():
    file = Path(__file__).parents[2] / "golden" / "networks.py"
    spec = spec_from_file_location("golden_networks", file)
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


networks = _networks()


class Case:
    """A random network with a plan, examples, and what golden makes of them."""

    def __init__(self, seed, variant):
        rng = np.random.default_rng((seed, list(MODES).index(variant)))
        self.network = networks.random_network(rng)
        self.plan = networks.random_plan(rng, self.network, variant)
        self.runs = (EXAMPLES,)
        if self.plan.history:  # the second run begins neither with nor at the ring's first slots
            self.runs = (self.plan.batch * (self.plan.history + 2), self.plan.batch * 3)
        self.examples = sum(self.runs)
        shape = self.network.nodes[0].shape
        classes = min(loss.shape[2] for loss in self.network.losses)
        self.x = rng.integers(-2000, 2000, (self.examples, *shape))
        self.labels = rng.integers(0, classes, self.examples)
        cores, mcus = int(rng.integers(1, 9)), int(rng.integers(1, 9))
        self.weights = networks.first_weights(self.network, seed)
        # many tiles may have too few queues for all who send to one, few too little memory
        for count in (cores, 8, 4, 2):
            self.node = self._node(count, mcus)
            try:
                self.compiled = compile_network(self.network, self.plan, self.node)
                return
            except DoesNotFitError as error:
                reason = error
        raise reason

    def _node(self, cores, mcus):
        """As many tiles as the crossbars take."""
        core = CoreParams(mcu=self.plan.mcu, mcus=mcus, instructions=4096)
        tiles = -(-len(tile(self.network, self.plan)) // (cores * mcus))
        width = min(tiles, 4)
        return NodeParams(
            tile=TileParams(core=core, cores=cores, instructions=4096),
            width=width, height=-(-tiles // width),
        )  # fmt: skip

    def golden(self):
        """Cells before and after training."""
        trainer = NetworkTrainer(self.network, self.weights, self.plan)
        first = {name: matrix.cells for name, matrix in trainer.matrices.items()}
        for start in range(0, self.examples, self.plan.batch):
            part = slice(start, start + self.plan.batch)
            trainer.batch(self.x[part], self.labels[part])
        return first, {name: matrix.cells for name, matrix in trainer.written.items()}

    def transaction(self, first):
        """Cells after the programs have run on the node, with momentum in two runs."""
        machine = Machine(Host(TransactionTransport(Node(self.node))), self.compiled)
        now(machine.load_cells(first))
        start = 0
        for size in self.runs:
            x, labels = self.x[start : start + size], self.labels[start : start + size]
            now(machine.run(x, labels, batch=self.plan.batch, limit_cycles=LIMIT))
            start += size
        return now(machine.read_cells())

    def interpreted(self, first):
        """Cells after the loop program has run as the sequential program it is."""
        compiled, plan = self.compiled, self.plan
        run = Interpreter(compiled.loops, plan.mcu, plan.batch, FUNCTIONS, plan.history)
        for placed in compiled.placed:
            c, unit = placed.crossbar, run.unit(placed.core, f"m{placed.unit}")
            cells = np.zeros(unit.cells.shape, np.int64)
            part = first[c.matrix][:, c.rows.start : c.rows.stop, c.columns.start : c.columns.stop]
            cells[:, : len(c.rows), : len(c.columns)] = part
            unit.load(cells)
            for node in self.network.matrices:
                rate = plan.rate(self.network, node, 0)
                run.scalars[placed.core, f"rate.{node.name}"] = -rate.multiplier
        for start in range(0, self.examples, plan.batch):
            part = slice(start, start + plan.batch)
            for buffer in compiled.loops.buffers:
                if buffer.space == "example":
                    found = records(self.network, buffer.name, self.x[part], self.labels[part])
                    run.memory[buffer.core, buffer.name][:] = found
            run.batch(plan.batch)
        names = {placed.crossbar.matrix for placed in compiled.placed}
        found = {name: first[name].copy() for name in sorted(names)}
        for placed in compiled.placed:
            c, unit = placed.crossbar, run.unit(placed.core, f"m{placed.unit}")
            part = found[c.matrix][:, c.rows.start : c.rows.stop, c.columns.start : c.columns.stop]
            part[:] = unit.cells[:, : len(c.rows), : len(c.columns)]
        return found


def differences(found, expected):
    """Matrices whose cells differ, and in how many."""
    return {
        name: count
        for name, cells in found.items()
        if (count := int(np.count_nonzero(cells != expected[name])))
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--networks", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0, help="of the first network")
    options = parser.parse_args()
    failed = cells = crossbars = 0
    for seed in range(options.seed, options.seed + options.networks):
        for variant in MODES:
            case = Case(seed, variant)
            first, expected = case.golden()
            wrong = differences(case.transaction(first), expected)
            cells += sum(array.size for array in expected.values())
            crossbars += len(case.compiled.placed)
            if wrong:
                failed += 1
                print(f"network {seed}, {variant}: cells that differ: {wrong}")
        if sys.stdout.isatty():
            print(f"{seed + 1 - options.seed} networks, {failed} failed", end="\r")
    print(
        f"{options.networks} networks, {len(MODES)} variants, {crossbars:,} crossbars, "
        f"{cells:,} cells compared, {failed} runs that differ from golden"
    )
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
