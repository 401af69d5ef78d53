"""Receive unit: queues of rows from the network, and their way into the shared memory."""

from amaranth import Array, Cat, Module, Mux, Signal, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from hdl.core.load_store import GROUP_BITS
from hdl.flit import flit_layout
from hdl.tile.send_unit import (
    BANK_BITS,
    GROUP_WORDS_BITS,
    LENGTH_BITS,
    ROWS_BITS,
    WATCHDOG_BITS,
    transfer_status_layout,
    turned,
)
from panther.arch.core import ADDRESS_BITS, LANES, READERS
from panther.arch.node import NodeParams
from panther.arch.tile import (
    BANKS,
    FIFO_BITS,
    ROW_BITS,
    ROW_WORDS,
    TILE_BITS,
    TILE_FAULT_BITS,
    TILE_WAIT_BITS,
    TileFault,
    TileWait,
)


def credit_layout() -> data.StructLayout:
    """Room for ``rows`` rows in queue ``fifo``, for its sender ``tile``."""
    return data.StructLayout(
        {
            "tile": unsigned(TILE_BITS),
            "fifo": unsigned(FIFO_BITS),
            "rows": unsigned(ROWS_BITS),
        }
    )


class ReceiveUnit(wiring.Component):
    """Takes every row that comes, and stores one message at a time, at most a row a cycle.

    ``docs/node.md`` says what happens in which cycle. A queue never overflows: its sender knows how
    much room there is. A reset empties the queues and forgets whose they are and what their senders
    are owed.

    Parameters
    ----------
    params : NodeParams
        Queues.

    Members
    -------
    issue : In(1)
        Begin with what the next five say; while the unit is not busy.
    group, words, fifo, readers, pc : In(13), In(10), In(4), In(9), In(14)
        First group in the memory, words to store (at least one), the queue they come from, the
        readers they are for, address of the instruction.
    busy : Out(1)
        A message is being stored.
    ask : Out(4)
        Banks that are asked to store a group.
    ask_group, ask_mask, ask_words : Out(13).array(4), Out(4).array(4), Out(64).array(4)
        The group, which of its words, and the words.
    ask_readers : Out(9)
        Of all of them.
    taken : In(4)
        The requests taken in this cycle; only such as are asked.
    i_row : In(stream.Signature(flit_layout()))
        Rows from the network; never wait.
    credit : Out(stream.Signature(credit_layout()))
        Room to tell a sender of: the first queue after the one last told that is owed any.
        ``valid`` does not depend on ``ready``.
    fetch : Out(1)
        A row leaves its queue.
    watchdog : In(32)
        Cycles it may wait.
    fault : Out(5)
        The ``TileFault`` for which the unit stops in this cycle, or SENDER for the row that comes;
        of several the least.
    status : Out(transfer_status_layout())
        What it does; the tile is the queue's sender, 0 if it has none yet.
    """

    i_row: stream.Interface
    credit: stream.Interface

    def __init__(self, params: NodeParams) -> None:
        self.params = params
        group = unsigned(GROUP_BITS)
        super().__init__(
            {
                "issue": In(1),
                "group": In(group),
                "words": In(unsigned(LENGTH_BITS)),
                "fifo": In(unsigned(FIFO_BITS)),
                "readers": In(unsigned(READERS)),
                "pc": In(unsigned(ADDRESS_BITS + 1)),
                "busy": Out(1),
                "ask": Out(unsigned(BANKS)),
                "ask_group": Out(group).array(BANKS),
                "ask_mask": Out(unsigned(LANES)).array(BANKS),
                "ask_words": Out(unsigned(GROUP_WORDS_BITS)).array(BANKS),
                "ask_readers": Out(unsigned(READERS)),
                "taken": In(unsigned(BANKS)),
                "i_row": In(stream.Signature(flit_layout())),
                "credit": Out(stream.Signature(credit_layout())),
                "fetch": Out(1),
                "watchdog": In(unsigned(WATCHDOG_BITS)),
                "fault": Out(unsigned(TILE_FAULT_BITS)),
                "status": Out(transfer_status_layout()),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        tile = self.params.tile
        rows = tile.fifo_rows
        queues = range(tile.fifos)
        fetch, stop = self.fetch, Signal()
        fifo = Signal(FIFO_BITS)
        pc = Signal(ADDRESS_BITS + 1)

        # queues: their rows lie one after the other, those of a queue round and round
        m.submodules.rows = stored = Memory(
            shape=unsigned(ROW_BITS), depth=tile.fifos * rows, init=[]
        )
        m.submodules.ends = ends = Memory(shape=unsigned(1), depth=tile.fifos * rows, init=[])
        write, read = stored.write_port(), stored.read_port()
        end_write, end_read = ends.write_port(), ends.read_port(domain="comb")
        levels = Array(Signal(range(rows + 1), name=f"level{n}") for n in queues)
        places = Array(Signal(range(rows), name=f"place{n}") for n in queues)
        firsts = Array(Signal(range(rows), name=f"first{n}") for n in queues)
        owned = Signal(tile.fifos)
        owners = Array(Signal(TILE_BITS, name=f"owner{n}") for n in queues)
        owed = Array(Signal(range(rows + 1), name=f"owed{n}") for n in queues)
        coming, wrong, accepted = self.i_row.p, Signal(), Signal()
        told = Signal(range(tile.fifos))
        tells = Signal()
        m.d.comb += [
            self.i_row.ready.eq(1),
            wrong.eq(
                self.i_row.valid
                & owned.bit_select(coming.fifo, 1)
                & (owners[coming.fifo] != coming.source)
            ),
            accepted.eq(self.i_row.valid & ~wrong),
            write.en.eq(accepted),
            write.addr.eq(coming.fifo * rows + places[coming.fifo]),
            write.data.eq(coming.data),
            end_write.en.eq(accepted),
            end_write.addr.eq(write.addr),
            end_write.data.eq(coming.end),
            read.en.eq(fetch),
            read.addr.eq(fifo * rows + firsts[fifo]),
            end_read.addr.eq(read.addr),
        ]
        for n in queues:
            comes, leaves, tell = (
                Signal(name=f"{name}{n}") for name in ("comes", "leaves", "tell")
            )
            m.d.comb += [
                comes.eq(accepted & (coming.fifo == n)),
                leaves.eq(fetch & (fifo == n)),
                tell.eq(tells & (told == n)),
            ]
            m.d.sync += [
                levels[n].eq(levels[n] + comes - leaves),
                owed[n].eq(Mux(tell, 0, owed[n]) + leaves),
            ]
            with m.If(comes):
                m.d.sync += [
                    places[n].eq(Mux(places[n] == rows - 1, 0, places[n] + 1)),
                    owned[n].eq(1),
                    owners[n].eq(coming.source),
                ]
            with m.If(leaves):
                m.d.sync += firsts[n].eq(Mux(firsts[n] == rows - 1, 0, firsts[n] + 1))

        # credits, in turn: first those behind the queue told last
        last_told = Signal(range(tile.fifos), init=tile.fifos - 1)
        m.d.comb += [
            self.credit.valid.eq(Cat(count != 0 for count in owed).any()),
            tells.eq(self.credit.valid & self.credit.ready),
            self.credit.p.tile.eq(owners[told]),
            self.credit.p.fifo.eq(told),
            self.credit.p.rows.eq(owed[told]),
        ]
        # none lies before queue 0
        for only_behind, candidates in ((False, queues), (True, queues[1:])):
            for n in reversed(candidates):
                with m.If((owed[n] != 0) & ((last_told < n) if only_behind else 1)):
                    m.d.comb += told.eq(n)
        with m.If(tells):
            m.d.sync += last_told.eq(told)

        # fetch: a row leaves its queue, and is in hand in the next cycle
        first_bank = Signal(BANK_BITS)
        left = Signal(LENGTH_BITS)
        following, row_group = Signal(GROUP_BITS), Signal(GROUP_BITS)
        there, last, bad = Signal(), Signal(), Signal()
        storing = Cat(left > n for n in range(ROW_WORDS))
        mask = Signal(ROW_WORDS)
        m.d.comb += [
            there.eq(levels[fifo] != 0),
            fetch.eq((left != 0) & there & ((self.ask & ~self.taken) == 0) & ~stop),
            last.eq(left <= ROW_WORDS),
        ]
        m.d.sync += self.ask.eq(self.ask & ~self.taken)
        with m.If(fetch):
            m.d.sync += [
                bad.eq(last != end_read.data),
                mask.eq(storing),
                row_group.eq(following),
                following.eq(following + BANKS),
                left.eq(Mux(last, 0, left - ROW_WORDS)),
            ]
            with m.If(last == end_read.data):
                m.d.sync += self.ask.eq(
                    turned(Cat(left > LANES * n for n in range(BANKS)), first_bank)
                )

        # store: group n of a row lies in bank first_bank + n
        masks = Array(mask.word_select(n, LANES) for n in range(BANKS))
        groups = Array(read.data.word_select(n, GROUP_WORDS_BITS) for n in range(BANKS))
        for bank in range(BANKS):
            place = Signal(BANK_BITS, name=f"place_in_row{bank}")
            m.d.comb += [
                place.eq(bank - first_bank),
                self.ask_group[bank].eq(row_group + place),
                self.ask_mask[bank].eq(masks[place]),
                self.ask_words[bank].eq(groups[place]),
            ]

        # waits
        waits_store, waits_row = Signal(), Signal()
        waited = Signal(WATCHDOG_BITS)
        wait, wait_group = Signal(TILE_WAIT_BITS), Signal(GROUP_BITS)
        m.d.comb += [
            waits_store.eq(self.ask.any() & ~self.taken.any()),
            waits_row.eq(~self.ask.any() & (left != 0) & ~there & ~bad),
            self.status.busy.eq(self.busy),
            self.status.wait.eq(wait),
            self.status.wait_group.eq(wait_group),
            self.status.pc.eq(pc),
            self.status.tile.eq(owners[fifo]),
            self.status.fifo.eq(fifo),
        ]
        with m.If(wrong):
            m.d.comb += self.fault.eq(TileFault.SENDER)
        with m.If(bad):
            m.d.comb += [stop.eq(1), self.fault.eq(TileFault.MESSAGE)]
        with m.If(waits_store | waits_row):
            m.d.sync += waited.eq(waited + 1)
            with m.If(waited >= self.watchdog):
                m.d.comb += [stop.eq(1), self.fault.eq(TileFault.WATCHDOG)]
        with m.Else():
            m.d.sync += waited.eq(0)
        with m.If(waits_store):
            m.d.comb += wait.eq(TileWait.STORE)
            for n in reversed(range(BANKS)):
                with m.If(self.ask.bit_select((first_bank + n)[:BANK_BITS], 1)):
                    m.d.comb += wait_group.eq(row_group + n)
        with m.Elif(waits_row):
            m.d.comb += wait.eq(TileWait.MESSAGE)

        with m.If(self.issue):
            m.d.sync += [
                self.busy.eq(1),
                first_bank.eq(self.group),
                following.eq(self.group),
                left.eq(self.words),
                fifo.eq(self.fifo),
                self.ask_readers.eq(self.readers),
                pc.eq(self.pc),
                waited.eq(0),
            ]
        with m.Elif(stop):
            m.d.sync += [self.busy.eq(0), self.ask.eq(0), left.eq(0), bad.eq(0)]
        with m.Elif((left == 0) & ((self.ask & ~self.taken) == 0)):
            m.d.sync += self.busy.eq(0)
        return m
