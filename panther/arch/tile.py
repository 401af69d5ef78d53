"""A tile: cores around a shared memory, send and receive units, and a program that runs them.

The shared memory lies in four banks side by side; group ``g`` of four words is in bank ``g mod 4``,
so any four groups that follow each other, a *row* of 256 bits, are read or written at once.
"""

from dataclasses import dataclass, field
from enum import IntEnum

from panther.arch.checks import check_range, check_type
from panther.arch.core import LANES, WORD_BITS, CoreParams, Csr

BANKS = 4
"""Banks of the shared memory, each one group wide."""
ROW_WORDS = BANKS * LANES
ROW_BITS = ROW_WORDS * WORD_BITS
MAX_CORES = 8
SEND_READER = 8
"""Number of the send unit among the readers of a group."""
SEQUENCER = 8
"""Number of the tile's sequencer where cores are numbered 0 to 7."""
UNITS = 9
"""Cores and sequencer."""
UNIT_BITS = 4
MAX_FIFOS = 16
FIFO_BITS = 4
TILE_BITS = 8
TILE_CSRS = (Csr.WATCHDOG, Csr.CYCLE, Csr.RETIRED)
"""Control and status registers of a sequencer; the watchdog is the send and the receive unit's,
too."""
WORM_ROWS = 8
"""Rows a worm has at most, so that credits are not kept waiting for long."""


@dataclass(frozen=True, kw_only=True)
class TileParams:
    """One tile."""

    core: CoreParams = field(default_factory=CoreParams)
    """Every core of the tile is like this one; the memory has its size and its latency."""
    cores: int = 8
    """Number of cores."""
    instructions: int = 512
    """Words of the sequencer's instruction memory."""
    fifos: int = 16
    """Receive queues, one for each sender."""
    fifo_rows: int = 32
    """Rows of 256 bits a queue holds."""

    def __post_init__(self) -> None:
        check_type("Core", self.core, CoreParams)
        check_range("Cores", self.cores, 1, MAX_CORES)
        check_range("Instructions", self.instructions, 2, 1 << 13)
        check_range("FIFOs", self.fifos, 1, MAX_FIFOS)
        check_range("FIFO rows", self.fifo_rows, 2, 64)
        if self.core.memory_words % ROW_WORDS:
            raise ValueError(
                f"Memory words of a tile must be a multiple of {ROW_WORDS}, "
                f"not {self.core.memory_words}"
            )

    @property
    def groups(self) -> int:
        """Groups of four words the memory holds."""
        return self.core.memory_words // LANES

    @property
    def requesters(self) -> int:
        """Who asks the memory: cores, send unit, receive unit, host, in this order."""
        return self.cores + 3

    @property
    def send_lanes(self) -> int:
        """Groups of a bank the send unit may have asked for and not sent."""
        return self.core.memory_cycles + 3


class HostOp(IntEnum):
    """What the host asks of the shared memory: numbers as in
    :class:`panther.arch.core.MemoryOp`, but nothing waits for a group's state.
    """

    READ = 0
    """Words and state of a group."""
    WRITE = 1
    """The words of the mask; the group is valid afterwards, without readers."""
    STATE = 2
    """Valid bit and readers."""


class FlitKind(IntEnum):
    """What a flit brings."""

    DATA = 0
    """A row of a message, for a receive queue."""
    CREDIT = 1
    """Room for ``data`` rows in the queue ``fifo`` of tile ``source``: a worm of one flit."""


FLIT_FIELDS = {
    "head": 1,
    "tail": 1,
    "end": 1,
    "kind": 1,
    "tile": TILE_BITS,
    "source": TILE_BITS,
    "fifo": FIFO_BITS,
    "data": ROW_BITS,
}
"""Fields of a flit and their bits, lowest first. ``head`` and ``tail`` bound a worm, ``end`` marks
the last row of a message; ``tile`` is where it goes, ``source`` where it comes from."""


class TileFault(IntEnum):
    """Why a sequencer stopped, with it the send and the receive unit; see
    :class:`panther.arch.core.Fault` for what they share.
    """

    NONE = 0
    PC = 1
    PARITY = 2
    ILLEGAL = 3
    LOOP_RANGE = 4
    LOOP_DEPTH = 5
    MEMORY = 8
    ALIGNMENT = 9
    CSR = 13
    WATCHDOG = 14
    """Send or receive unit waited too long: for a word nobody stores, for room in a
    queue nobody empties, or for a message that does not come."""
    DESTINATION = 16
    """A message to a tile or a queue that does not exist, or from a queue that does not."""
    MESSAGE = 17
    """A message is shorter or longer than its ``recv``."""
    SENDER = 18
    """Two tiles send to one queue: a row of the second one came, and is lost."""


TILE_FAULT_BITS = 5


class TileWait(IntEnum):
    """What a unit of a tile waits for."""

    NOTHING = 0
    MATRIX = 1
    """A core, for a matrix unit."""
    LOAD = 2
    """A group that is not valid, or not meant for this reader."""
    STORE = 3
    """A group that is not free."""
    UNIT = 4
    """The sequencer, for its send or receive unit."""
    CREDIT = 5
    """The send unit, for room in a queue."""
    MESSAGE = 6
    """The receive unit, for a row in a queue."""


TILE_WAIT_BITS = 3


TILE_COUNTERS = (
    "active", "accesses", "conflicts", "misses", "sent", "received", "credits", "instructions",
)  # fmt: skip
"""Events of a tile that are counted.

- ``active``: cycles in which the tile's clock is needed;
- ``accesses``: groups of its memory read, written or freed;
- ``conflicts``: requests at a bank that serves another;
- ``misses``: requests looked up, but not yet to be had;
- ``sent``: rows sent;
- ``received``: rows received;
- ``credits``: messages with credits sent;
- ``instructions``: instructions retired by the sequencer.
"""
CORE_COUNTERS = (
    "running", "wait_matrix", "wait_memory", "instructions", "words_read", "words_written",
    "mul", "div", "table", "other",
)  # fmt: skip
"""Events of a core that are counted; those of an instruction when it retires, all at once.

- ``running``: cycles in which it carries out its program;
- ``wait_matrix``: cycles in which an instruction waits for matrix units;
- ``wait_memory``: cycles in which a request to the memory is not taken;
- ``instructions``: instructions of the program retired, without those the host has executed;
- ``words_read``: words of vectors these instructions read, length times operands: ``a`` and ``b``
  of the vector instructions, ``a`` of the stores;
- ``words_written``: words of vectors they wrote: ``d`` of vector instructions and loads;
- ``mul``: elements multiplied in the lanes of the vector unit, shifts of the products included;
- ``div``: elements divided;
- ``table``: elements looked up in the tables of functions: EXP, SIGMOID, TANH, LOG, RECIP;
- ``other``: elements of which the lanes did anything else, reductions and ``vset`` among it.
"""
MCU_COUNTERS = (
    "busy", "mvm_steps", "mtvm_steps", "conversions", "pulses", "row_reads", "row_writes",
)  # fmt: skip
"""Events of a matrix unit that are counted, whoever gave it the operation.

- ``busy``: cycles in which an operation goes on;
- ``mvm_steps``: bit steps of MVM integrated;
- ``mtvm_steps``: bit steps of MTVM integrated;
- ``conversions``: cycles of MVM and MTVM in which the converters of all slices convert, each
  ``adc.per_slice`` lines of its slice; what rows are read with is not counted;
- ``pulses``: polarity phases of OPA driven, four in a bit step that is not left out;
- ``row_reads``: rows of cells read, by CRS, READ and an OPA that resolves them;
- ``row_writes``: rows of cells programmed, by CRS, WRITE and an OPA that resolves them.
"""


def core_counter_names(params: CoreParams) -> list[str]:
    """Performance counters of a core in their order, as they are called within it."""
    units = [f"m{mcu}.{name}" for mcu in range(params.mcus) for name in MCU_COUNTERS]
    return [*CORE_COUNTERS, *units]


def counter_names(params: TileParams) -> list[str]:
    """Performance counters of a tile in the order of their numbers; 32 bits, they wrap.

    :data:`TILE_COUNTERS`; then of each core c ``core{c}.`` and :data:`CORE_COUNTERS`, and of each
    matrix unit m of it ``core{c}.m{m}.`` and :data:`MCU_COUNTERS`.
    """
    names = core_counter_names(params.core)
    return [
        *TILE_COUNTERS,
        *(f"core{core}.{name}" for core in range(params.cores) for name in names),
    ]
