"""A program of the PUMA compiler as a case for a node: what runs, from what, to what end."""

import json
from dataclasses import asdict, dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from cocotb_tests.designs import NODES
from models.analog.array import Array, IdealArray
from models.system.node import Node
from panther.arch.core import LANES
from panther.arch.node import NodeParams
from panther.asm import Program, assemble_text, unit_name
from panther.host import Host, TransactionTransport, now
from panther.puma import (
    FirstState,
    Machine,
    Plan,
    PumaProgram,
    Unit,
    assign_readers,
    first_state,
    interpret,
    node_for,
    read_program,
    translate,
)
from panther.puma.compare import differences
from panther.puma.state import WEIGHT_BITS, WORD_BITS


@dataclass(frozen=True, kw_only=True)
class PumaCase:
    """A program and what it begins with. See ``cocotb_tests.node_programs.NodeCase``."""

    folder: str
    """Of the text."""
    shift: int = 28
    """Requantisation shift of MVM and MTVM."""
    seed: int = 1
    """Of weights and inputs."""
    weight_bits: int = WEIGHT_BITS
    word_bits: int = WORD_BITS
    node: str = ""
    """Name of the node; one made for the program if left out."""

    def to_json(self) -> str:
        """Text that :meth:`from_json` reads."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "PumaCase":
        """Read what :meth:`to_json` wrote."""
        return cls(**json.loads(text))

    @cached_property
    def program(self) -> PumaProgram:
        """The text."""
        return read_program(self.folder)

    @cached_property
    def plan(self) -> Plan:
        """Who reads what."""
        return assign_readers(self.program)

    @cached_property
    def params(self) -> NodeParams:
        """The node."""
        return NODES[self.node] if self.node else node_for(self.program)

    @cached_property
    def state(self) -> FirstState:
        """Weights and inputs."""
        mcu = self.params.tile.core.mcu
        return first_state(
            self.program, self.plan, mcu, self.seed, weight_bits=self.weight_bits,
            word_bits=self.word_bits,
        )  # fmt: skip

    @cached_property
    def end(self) -> Machine:
        """What the interpreter of the text comes to."""
        return interpret(self.program, self.params.tile.core.mcu, self.state, self.shift)

    @cached_property
    def texts(self) -> dict[Unit, str]:
        """Assembly text of every unit."""
        return translate(self.program, self.plan, self.params, self.shift)

    def assembled(self, params: NodeParams) -> dict[Unit, Program]:
        """Program of each core and sequencer."""
        return {
            unit: assemble_text(text, params.tile.core, name=unit_name(*unit))
            for unit, text in self.texts.items()
        }

    def all_starts(self) -> tuple[tuple[int, dict[Unit, int]], ...]:
        """Everything starts once."""
        return ((0, dict.fromkeys(self.texts, 0)),)

    def memory(
        self, tile: int, params: NodeParams
    ) -> tuple[NDArray[np.int64], NDArray[np.bool_], NDArray[np.int64]]:
        """What a tile's memory holds at first: groups of four words, which are valid, readers."""
        words = np.zeros(params.tile.core.memory_words, np.int16)
        valid = np.zeros(params.tile.groups, np.bool_)
        for place in self.plan.inputs if tile == 0 else ():
            buffer = self.plan.used[place]
            text = slice(buffer.address, buffer.address + buffer.length)
            words[buffer.place : buffer.place + buffer.length] = self.state.words[text]
            first = buffer.place // LANES
            valid[first : first + -(-buffer.length // LANES)] = True
        return words.view(np.int64), valid, np.zeros(params.tile.groups, np.int64)

    def arrays(self, params: NodeParams) -> list[Array]:
        """The arrays of all matrix units, with the first weights."""
        mcus = params.tile.core.mcus
        arrays: list[Array] = []
        for n in range(params.tiles * params.tile.cores * mcus):
            array = IdealArray(params.tile.core.mcu)
            core, m = divmod(n, mcus)
            cells = self.state.cells.get((*divmod(core, params.tile.cores), m))
            if cells is not None:
                array.cells = cells
            arrays.append(array)
        return arrays

    def twin(self, params: NodeParams, before: Node | None = None, *, trace: bool = True) -> Node:
        """The node at transaction level, loaded but not started."""
        if before is not None:
            raise ValueError("A PUMA program must be the first one after a reset")
        node = Node(params, self.arrays(params), trace=trace)
        for (tile, unit), program in self.assembled(params).items():
            node.load(tile, unit, program.words)
        for tile in range(params.tiles):
            memory = node.memory(tile)
            memory.groups[:], memory.valid[:], memory.readers[:] = self.memory(tile, params)
        return node

    def check(self, node: Node) -> int:
        """Compare all of a node that has run with the interpreter; how many numbers that were.

        Raises
        ------
        AssertionError
            If something differs.
        """
        host = Host(TransactionTransport(node))
        compared, found = now(differences(host, self.program, self.plan, self.end))
        assert not found, f"{self.to_json()}:\n" + "\n".join(found)
        return compared
