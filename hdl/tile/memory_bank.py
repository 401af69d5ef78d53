"""One bank of a tile's shared memory: words, who may have them, and whose turn it is."""

from functools import reduce
from operator import or_

from amaranth import Cat, Module, Mux, Signal, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from hdl.core.load_store import GROUP_BITS
from hdl.core.register_file import WORDS
from panther.arch.core import LANES, MEMORY_OP_BITS, READERS, MemoryOp
from panther.arch.tile import BANKS, SEND_READER, TileParams

INDEX_BITS = GROUP_BITS - (BANKS - 1).bit_length()
"""Width of the number of a group within its bank."""
GROUP_STATE = data.StructLayout({"valid": unsigned(1), "readers": unsigned(READERS)})
"""What the memory knows of a group."""


def bank_request_layout() -> data.StructLayout:
    """One request at a bank, see ``MemoryOp``: ``plain`` ones do not wait, whatever they ask.

    A store that is not plain leaves ``readers``, a release leaves ``valid`` and ``readers``.
    """
    return data.StructLayout(
        {
            "op": unsigned(MEMORY_OP_BITS),
            "index": unsigned(INDEX_BITS),
            "mask": unsigned(LANES),
            "data": WORDS,
            "take": unsigned(1),
            "plain": unsigned(1),
            "valid": unsigned(1),
            "readers": unsigned(READERS),
        }
    )


class MemoryBank(wiring.Component):
    """Looks up one request a cycle, round and round; takes it, or parks it until it may be taken.

    Words and states are memories, so a reset leaves them as they are: whoever resets a tile clears
    the states of its groups. It forgets whom it served last, who is parked, and answers under way.

    Parameters
    ----------
    params : TileParams
        Size, latency, and how many ask.

    Members
    -------
    asks : In(requesters)
        Who asks for a group of this bank. Requests stay as they are until they are taken or
        withdrawn, and a withdrawn one leaves its requester silent for a cycle at least.
    requests : Array of In(bank_request_layout()), one for each requester
        What for; a group beyond the end is not there.
    taken : Out(requesters)
        Whose request is taken.
    forget : In(requesters)
        Whose answers under way are lost, with that of a load taken in this cycle.
    answered : Out(requesters)
        Whose load was taken ``memory_cycles`` ago.
    words, state : Out(ArrayLayout(16, 4)), Out(GROUP_STATE)
        The words it asked for, and the state of the group as the load found it.
    missed : Out(1)
        A request is looked up and parked.
    conflicts : Out(range(requesters))
        How many requests that are not parked are not looked up.
    busy : Out(1)
        Answers are under way.
    """

    def __init__(self, params: TileParams) -> None:
        self.params = params
        requesters = params.requesters
        super().__init__(
            {
                "asks": In(unsigned(requesters)),
                "requests": In(bank_request_layout()).array(requesters),
                "taken": Out(unsigned(requesters)),
                "forget": In(unsigned(requesters)),
                "answered": Out(unsigned(requesters)),
                "words": Out(WORDS),
                "state": Out(GROUP_STATE),
                "missed": Out(1),
                "conflicts": Out(range(requesters)),
                "busy": Out(1),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        requesters = self.params.requesters
        # the send unit is reader 8, however many cores there are
        send = self.params.cores
        # a memory of one entry has no address
        depth = max(2, self.params.groups // BANKS)
        m.submodules.words = words = Memory(shape=WORDS, depth=depth, init=[])
        m.submodules.states = states = Memory(shape=GROUP_STATE, depth=depth, init=[])

        # the first one behind whom it served last, among those who are not parked
        parked = Signal(requesters)
        behind = Signal(requesters)  # bits above the last one's
        awake = Signal(requesters)
        turns = Signal(2 * requesters)
        first = Signal(2 * requesters)
        chosen = Signal(requesters)
        looked_up = Signal()
        request = Signal(bank_request_layout())
        m.d.comb += [
            awake.eq(self.asks & ~parked),
            looked_up.eq(awake.any()),
            turns.eq(Cat(awake & behind, awake)),
            first.eq(turns & (~turns + 1)),
            chosen.eq(first[:requesters] | first[requesters:]),
            request.eq(
                reduce(
                    or_,
                    (
                        number.as_value() & who.replicate(len(request.as_value()))
                        for number, who in zip(self.requests, chosen, strict=True)
                    ),
                )
            ),
            self.conflicts.eq(sum(awake) - looked_up),
        ]
        with m.If(looked_up):
            m.d.sync += behind.eq(~(chosen | (chosen - 1)))

        # its group: may the request have it, and what is it afterwards
        look, change = states.read_port(domain="comb"), states.write_port()
        found, left = look.data, change.data
        reader = Signal(READERS)
        allowed, loads, stores, taken, changed = (Signal() for _ in range(5))
        m.d.comb += [
            reader[: self.params.cores].eq(chosen),
            reader[SEND_READER].eq(chosen[send]),
            loads.eq(request.op == MemoryOp.LOAD),
            stores.eq(request.op == MemoryOp.STORE),
            look.addr.eq(request.index),
            change.addr.eq(request.index),
        ]
        with m.If(loads):
            held = (found.readers & reader).any()
            m.d.comb += [
                allowed.eq(request.plain | (found.valid & (held | ~request.take))),
                changed.eq(taken & request.take),
                left.readers.eq(found.readers & ~reader),
                left.valid.eq(left.readers.any()),
            ]
        with m.Elif(stores):
            m.d.comb += [
                allowed.eq(request.plain | ~found.valid),
                changed.eq(taken),
                left.readers.eq(Mux(request.plain, 0, request.readers)),
                left.valid.eq(1),
            ]
        with m.Else():
            m.d.comb += [
                allowed.eq(1),
                changed.eq(taken),
                left.readers.eq(request.readers),
                left.valid.eq(request.valid),
            ]
        m.d.comb += [
            taken.eq(looked_up & allowed),
            self.taken.eq(Mux(allowed, chosen, 0)),
            self.missed.eq(looked_up & ~allowed),
            change.en.eq(changed),
        ]

        # who was refused sleeps until the group changes or the request is withdrawn
        woken = Cat(changed & (number.index == request.index) for number in self.requests)
        m.d.sync += parked.eq(self.asks & (parked | Mux(allowed, 0, chosen)) & ~woken)

        # words, and the way back to who asked for them
        fetch, write = words.read_port(), words.write_port(granularity=1)
        answered = Signal(requesters)
        state = Signal(GROUP_STATE)
        m.d.comb += [
            fetch.en.eq(taken & loads),
            fetch.addr.eq(request.index),
            write.en.eq(Mux(taken & stores, request.mask, 0)),
            write.addr.eq(request.index),
            write.data.eq(request.data),
        ]
        m.d.sync += answered.eq(Mux(loads, self.taken & ~self.forget, 0))
        with m.If(fetch.en):
            m.d.sync += state.eq(found)
        stages = [answered]
        arrived, of = fetch.data, state
        for _ in range(self.params.core.memory_cycles - 1):
            later, words_later, state_later = Signal(requesters), Signal(WORDS), Signal(GROUP_STATE)
            m.d.sync += later.eq(stages[-1] & ~self.forget)
            with m.If(stages[-1].any()):
                m.d.sync += [words_later.eq(arrived), state_later.eq(of)]
            stages.append(later)
            arrived, of = words_later, state_later
        m.d.comb += [
            self.answered.eq(stages[-1]),
            self.words.eq(arrived),
            self.state.eq(of),
            self.busy.eq(Cat(stages).any()),
        ]
        return m
