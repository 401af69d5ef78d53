"""Send unit: rows of a message from the shared memory to the network."""

from amaranth import Array, Cat, Module, Mux, Signal, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from hdl.core.load_store import GROUP_BITS
from hdl.flit import flit_layout
from panther.arch.core import ADDRESS_BITS, LANES, WORD_BITS
from panther.arch.node import NodeParams
from panther.arch.tile import (
    BANKS,
    FIFO_BITS,
    TILE_BITS,
    TILE_FAULT_BITS,
    TILE_WAIT_BITS,
    WORM_ROWS,
    FlitKind,
    TileFault,
    TileWait,
)

LENGTH_BITS = 10
"""Width of the words of a message."""
GROUP_WORDS_BITS = LANES * WORD_BITS
WATCHDOG_BITS = 32
ROWS_BITS = 7
"""Width of a number of rows of a queue."""
BANK_BITS = (BANKS - 1).bit_length()


def transfer_status_layout() -> data.StructLayout:
    """What a send or receive unit does, for a host to see.

    ``wait`` is a ``TileWait``; ``wait_group`` the first group asked for, if it waits for one; the
    address ``pc`` of its instruction, the tile at the other end and the queue are those of the last
    transfer.
    """
    return data.StructLayout(
        {
            "busy": unsigned(1),
            "wait": unsigned(TILE_WAIT_BITS),
            "wait_group": unsigned(GROUP_BITS),
            "pc": unsigned(ADDRESS_BITS + 1),
            "tile": unsigned(TILE_BITS),
            "fifo": unsigned(FIFO_BITS),
        }
    )


class SendUnit(wiring.Component):
    """One message at a time, a row a cycle; ``docs/node.md`` says what happens in which cycle.

    Groups are asked for and come by banks; every bank has a small buffer of its own, in which a
    row's groups lie at the same place. A message turns them so that its first group is the first of
    a row. Groups its last row does not have are 0.

    A reset forgets the message and how many rows are under way to every queue: it is for a network
    without flits and receivers that are reset as well.

    Parameters
    ----------
    params : NodeParams
        Tiles, their queues, and the memory's latency.

    Members
    -------
    issue : In(1)
        Begin with what the next five say; while the unit is idle.
    group, words, tile, fifo, pc : In(13), In(10), In(8), In(4), In(14)
        First group of the message in the memory, its words (at least one), the tile and queue it
        goes to, address of the instruction.
    busy : Out(1)
        A message is being sent.
    idle : Out(1)
        None is, and every answer of the memory has come.
    ask : Out(4)
        Banks that are asked for a group.
    ask_group : Out(13).array(4)
        The group.
    taken : In(4)
        The requests taken in this cycle; only such as are asked.
    valid : In(4)
        Banks that answer.
    words_in : In(64).array(4)
        Their answers, in the order the requests were taken.
    row : Out(stream.Signature(flit_layout()))
        Rows, without their source. ``valid`` does not depend on ``ready``.
    worm : Out(1)
        A worm has begun and not ended; its next row is there.
    credit, credit_tile, credit_fifo, credit_rows : In(1), In(8), In(4), In(7)
        So many rows have left a queue.
    watchdog : In(32)
        Cycles it may wait.
    fault : Out(5)
        The ``TileFault`` for which the unit stops in this cycle.
    status : Out(transfer_status_layout())
        What it does.
    """

    row: stream.Interface

    def __init__(self, params: NodeParams) -> None:
        self.params = params
        group = unsigned(GROUP_BITS)
        super().__init__(
            {
                "issue": In(1),
                "group": In(group),
                "words": In(unsigned(LENGTH_BITS)),
                "tile": In(unsigned(TILE_BITS)),
                "fifo": In(unsigned(FIFO_BITS)),
                "pc": In(unsigned(ADDRESS_BITS + 1)),
                "busy": Out(1),
                "idle": Out(1),
                "ask": Out(unsigned(BANKS)),
                "ask_group": Out(group).array(BANKS),
                "taken": In(unsigned(BANKS)),
                "valid": In(unsigned(BANKS)),
                "words_in": In(unsigned(GROUP_WORDS_BITS)).array(BANKS),
                "row": Out(stream.Signature(flit_layout())),
                "worm": Out(1),
                "credit": In(1),
                "credit_tile": In(unsigned(TILE_BITS)),
                "credit_fifo": In(unsigned(FIFO_BITS)),
                "credit_rows": In(unsigned(ROWS_BITS)),
                "watchdog": In(unsigned(WATCHDOG_BITS)),
                "fault": Out(unsigned(TILE_FAULT_BITS)),
                "status": Out(transfer_status_layout()),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        tile = self.params.tile
        lanes = tile.send_lanes
        flit = self.row.p
        begin, sent, stop = Signal(), Signal(), Signal()
        last = Signal()

        # the message
        first_bank = Signal(BANK_BITS)
        to_tile, to_fifo = Signal(TILE_BITS), Signal(FIFO_BITS)
        pc = Signal(ADDRESS_BITS + 1)
        with m.If(self.issue):
            m.d.sync += [
                self.busy.eq(1),
                first_bank.eq(self.group),
                to_tile.eq(self.tile),
                to_fifo.eq(self.fifo),
                pc.eq(self.pc),
            ]
        with m.Elif((sent & last) | stop):
            m.d.sync += self.busy.eq(0)

        # ask: group n of a row lies in bank first_bank + n
        left = Signal(range((1 << LENGTH_BITS) // LANES + 1))
        following, row_group = Signal(GROUP_BITS), Signal(GROUP_BITS)
        begun = Signal(range(lanes + 1))
        begins_last, asked_all = Signal(), Signal()
        asking = Signal(BANKS)
        m.d.comb += [
            asked_all.eq((self.ask & ~self.taken) == 0),
            begin.eq(asked_all & (left != 0) & (begun < lanes) & ~stop),
            begins_last.eq(left <= BANKS),
            asking.eq(turned(Cat(left > n for n in range(BANKS)), first_bank)),
        ]
        m.d.sync += self.ask.eq(self.ask & ~self.taken)
        with m.If(begin):
            m.d.sync += [
                self.ask.eq(asking),
                row_group.eq(following),
                following.eq(following + BANKS),
                left.eq(Mux(begins_last, 0, left - BANKS)),
            ]
        for bank in range(BANKS):
            place = Signal(BANK_BITS, name=f"place{bank}")
            m.d.comb += [place.eq(bank - first_bank), self.ask_group[bank].eq(row_group + place)]

        # rows begun and not sent; the last of them may be the message's last one
        begun_last, last_asked = Signal(), Signal(BANKS)
        head = Signal(range(lanes))
        next_is_last = Signal()
        m.d.comb += [
            last.eq(begun_last & (begun == 1)),
            next_is_last.eq(begun_last & (begun == 2)),
        ]
        m.d.sync += begun.eq(begun + begin - sent)
        with m.If(begin):
            m.d.sync += [begun_last.eq(begins_last), last_asked.eq(asking)]
        with m.If(sent):
            m.d.sync += head.eq(_after(head, lanes))

        # answers
        words, here, next_here, awaited = [], [], [], []
        for bank in range(BANKS):
            buffer = Memory(shape=unsigned(GROUP_WORDS_BITS), depth=lanes, init=[])
            m.submodules[f"buffer{bank}"] = buffer
            write, read = buffer.write_port(), buffer.read_port(domain="comb")
            tail = Signal(range(lanes), name=f"tail{bank}")
            arrived = Signal(range(lanes + 1), name=f"arrived{bank}")
            outstanding = Signal(range(lanes + 1), name=f"outstanding{bank}")
            has = Signal(name=f"has{bank}")
            answered = Signal(name=f"answered{bank}")
            m.d.comb += [
                # after a reset words may come that nobody waits for
                answered.eq(self.valid[bank] & (outstanding != 0)),
                write.en.eq(answered),
                write.addr.eq(tail),
                write.data.eq(self.words_in[bank]),
                read.addr.eq(head),
                has.eq(~last | last_asked[bank]),
            ]
            m.d.sync += [
                arrived.eq(arrived + answered - (sent & has)),
                outstanding.eq(outstanding + self.taken[bank] - answered),
            ]
            with m.If(answered):
                m.d.sync += tail.eq(_after(tail, lanes))
            with m.If(self.issue):
                m.d.sync += [tail.eq(0), arrived.eq(0)]
            words.append(Mux(has, read.data, 0))
            here.append((arrived != 0) | ~has)
            next_here.append((arrived > 1) | (next_is_last & ~last_asked[bank]))
            awaited.append(outstanding != 0)
        m.d.comb += self.idle.eq(~self.busy & ~Cat(awaited).any())

        # rows under way to each queue: those sent less those that have left it, both modulo 2 ** 7;
        # until the first one is sent there is none
        fifo_bits = (tile.fifos - 1).bit_length()
        tile_bits = (self.params.tiles - 1).bit_length()
        queue, credited_queue = Signal(fifo_bits + tile_bits), Signal(fifo_bits + tile_bits)
        counts = {"shape": unsigned(ROWS_BITS), "depth": 1 << len(queue), "init": []}
        m.submodules.rows_sent = rows_sent = Memory(**counts)
        m.submodules.rows_left = rows_left = Memory(**counts)
        known = [Signal(tile.fifos, name=f"known{n}") for n in range(self.params.tiles)]
        was_sent, sent_write = rows_sent.read_port(domain="comb"), rows_sent.write_port()
        has_left, left_before = (rows_left.read_port(domain="comb") for _ in range(2))
        left_write = rows_left.write_port()
        so_far, under_way = Signal(ROWS_BITS), Signal(ROWS_BITS)
        room, room_for_two = Signal(), Signal()
        m.d.comb += [
            queue.eq(Cat(to_fifo[:fifo_bits], to_tile[:tile_bits])),
            credited_queue.eq(Cat(self.credit_fifo[:fifo_bits], self.credit_tile[:tile_bits])),
            was_sent.addr.eq(queue),
            has_left.addr.eq(queue),
            so_far.eq(
                Mux(Array(known)[to_tile].bit_select(to_fifo, 1), was_sent.data, has_left.data)
            ),
            under_way.eq(so_far - has_left.data),
            room.eq(under_way < tile.fifo_rows),
            room_for_two.eq(under_way < tile.fifo_rows - 1),
            sent_write.en.eq(sent),
            sent_write.addr.eq(queue),
            sent_write.data.eq(so_far + 1),
            left_before.addr.eq(credited_queue),
            left_write.en.eq(self.credit),
            left_write.addr.eq(credited_queue),
            left_write.data.eq(left_before.data + self.credit_rows),
        ]
        for number, fifos in enumerate(known):
            with m.If(sent & (to_tile == number)):
                m.d.sync += fifos.eq(fifos | (1 << to_fifo))

        # send
        ready, another = Signal(), Signal()
        worm_rows = Signal(range(WORM_ROWS))
        m.d.comb += [
            ready.eq((begun != 0) & Cat(here).all()),
            another.eq((begun > 1) & Cat(next_here).all()),
            self.row.valid.eq(ready & (self.worm | room)),
            sent.eq(self.row.valid & self.row.ready),
            flit.head.eq(~self.worm),
            flit.tail.eq(~(another & room_for_two & (worm_rows < WORM_ROWS - 1))),
            flit.end.eq(last),
            flit.kind.eq(FlitKind.DATA),
            flit.tile.eq(to_tile),
            flit.fifo.eq(to_fifo),
            flit.data.eq(Cat(Array(words)[(first_bank + n)[:BANK_BITS]] for n in range(BANKS))),
        ]
        with m.If(sent):
            m.d.sync += [
                self.worm.eq(~flit.tail),
                worm_rows.eq(Mux(flit.tail, 0, worm_rows + 1)),
            ]

        # waits
        waits_load, waits_room, went_on = Signal(), Signal(), Signal()
        waited = Signal(WATCHDOG_BITS)
        wait, wait_group = Signal(TILE_WAIT_BITS), Signal(GROUP_BITS)
        m.d.comb += [
            went_on.eq(sent | self.taken.any()),
            waits_load.eq(self.ask.any() & ~self.worm & ~went_on),
            waits_room.eq(ready & ~room & ~self.worm & ~went_on),
            stop.eq((waits_load | waits_room) & (waited >= self.watchdog)),
            self.fault.eq(Mux(stop, TileFault.WATCHDOG, TileFault.NONE)),
            self.status.busy.eq(self.busy),
            self.status.wait.eq(wait),
            self.status.wait_group.eq(wait_group),
            self.status.pc.eq(pc),
            self.status.tile.eq(to_tile),
            self.status.fifo.eq(to_fifo),
        ]
        with m.If(waits_load):
            m.d.comb += wait.eq(TileWait.LOAD)
            for n in reversed(range(BANKS)):
                with m.If(self.ask.bit_select((first_bank + n)[:BANK_BITS], 1)):
                    m.d.comb += wait_group.eq(row_group + n)
        with m.Elif(waits_room):
            m.d.comb += wait.eq(TileWait.CREDIT)
        with m.If(went_on):
            m.d.sync += waited.eq(0)
        with m.Elif(waits_load | waits_room):
            m.d.sync += waited.eq(waited + 1)

        with m.If(stop):
            m.d.sync += [self.ask.eq(0), left.eq(0), begun.eq(0)]
        with m.If(self.issue):
            m.d.sync += [
                following.eq(self.group),
                left.eq((self.words + LANES - 1) // LANES),
                begun_last.eq(0),
                head.eq(0),
                waited.eq(0),
            ]
        return m


def turned(mask, by):  # type: ignore[no-untyped-def]
    """Bit n of a mask of banks at n + by, round and round."""
    return Array(
        Cat(mask[(bank - turn) % BANKS] for bank in range(BANKS)) for turn in range(BANKS)
    )[by]


def _after(place: Signal, places: int):  # type: ignore[no-untyped-def]
    """The next one of ``places`` places, round and round."""
    return Mux(place == places - 1, 0, place + 1)
