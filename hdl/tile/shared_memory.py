"""The memory the cores of a tile share: four banks side by side, and whose answer goes where."""

from functools import reduce
from operator import or_

from amaranth import Cat, Module, Mux, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.core.load_store import GROUP_BITS, request_layout
from hdl.core.register_file import WORDS
from hdl.tile.memory_bank import MemoryBank
from panther.arch.core import LANES, MEMORY_OP_BITS, READERS, MemoryOp
from panther.arch.tile import BANKS, TileParams

BANK_BITS = (BANKS - 1).bit_length()


def host_request_layout() -> data.StructLayout:
    """One request of the host, see ``HostOp``. None of them waits for the state of its group."""
    return data.StructLayout(
        {
            "op": unsigned(MEMORY_OP_BITS),
            "group": unsigned(GROUP_BITS),
            "mask": unsigned(LANES),
            "data": WORDS,
            "valid": unsigned(1),
            "readers": unsigned(READERS),
        }
    )


def host_answer_layout() -> data.StructLayout:
    """What the host reads: a group's words and its state."""
    return data.StructLayout({"data": WORDS, "valid": unsigned(1), "readers": unsigned(READERS)})


class SharedMemory(wiring.Component):
    """Takes a request at each bank a cycle; ``docs/node.md`` says whose, and when.

    Requests are registers of those who ask, and stay until they are taken or withdrawn; a withdrawn
    one leaves its requester silent for a cycle at least. A reset leaves words and states as they
    are; see ``MemoryBank``.

    Parameters
    ----------
    params : TileParams
        Size, latency, number of cores.

    Members
    -------
    i, o : Arrays of In(stream.Signature(request_layout())), Out(stream.Signature(WORDS))
        For each core its requests and the answers to its loads, which never wait.
    send_ask, send_group : In(4), Array of In(13)
        Loads with ``take`` of the send unit, one at each bank: bank ``g mod 4`` has group g.
    send_taken : Out(4)
        Those taken in this cycle.
    send_valid, send_words : Out(4), Array of Out(ArrayLayout(16, 4))
        Their answers.
    receive_ask, receive_group, receive_mask, receive_words : In(4) and arrays of In(13), In(4), \
In(ArrayLayout(16, 4))
        Stores of the receive unit, one at each bank.
    receive_readers : In(9)
        Whom they leave their groups to.
    receive_taken : Out(4)
        Those taken in this cycle.
    i_memory, o_memory : In(stream.Signature(host_request_layout())), \
Out(stream.Signature(host_answer_layout()))
        Requests of the host, and the answers to what it reads, which never wait.
    forget : In(cores + 1)
        Whose answers under way are lost, cores and send unit: they are in reset.
    accesses, misses : Out(3)
        How many requests are taken, and looked up but parked.
    conflicts : Out(4)
        How many requests that are not parked are at a bank that looks up another.
    busy : Out(1)
        Answers are under way.
    """

    i_memory: stream.Interface
    o_memory: stream.Interface

    def __init__(self, params: TileParams) -> None:
        params.core.check_rtl()
        self.params = params
        # at most one of each core and of the host, and one at each bank of send and receive unit
        most = params.cores + 1 + 2 * BANKS - 1
        super().__init__(
            {
                "i": In(stream.Signature(request_layout())).array(params.cores),
                "o": Out(stream.Signature(WORDS)).array(params.cores),
                "send_ask": In(BANKS),
                "send_group": In(GROUP_BITS).array(BANKS),
                "send_taken": Out(BANKS),
                "send_valid": Out(BANKS),
                "send_words": Out(WORDS).array(BANKS),
                "receive_ask": In(BANKS),
                "receive_group": In(GROUP_BITS).array(BANKS),
                "receive_mask": In(LANES).array(BANKS),
                "receive_words": In(WORDS).array(BANKS),
                "receive_readers": In(READERS),
                "receive_taken": Out(BANKS),
                "i_memory": In(stream.Signature(host_request_layout())),
                "o_memory": Out(stream.Signature(host_answer_layout())),
                "forget": In(params.cores + 1),
                "accesses": Out(range(BANKS + 1)),
                "misses": Out(range(BANKS + 1)),
                "conflicts": Out(range(most)),
                "busy": Out(1),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        cores = self.params.cores
        send, receive, host = cores, cores + 1, cores + 2
        banks = [MemoryBank(self.params) for _ in range(BANKS)]
        ask = self.i_memory
        for number, bank in enumerate(banks):
            m.submodules[f"bank{number}"] = bank
            for core, port in enumerate(self.i):
                self._from_core(m, bank, number, core, port)
            to_send, to_store, to_do = (bank.requests[n] for n in (send, receive, host))
            m.d.comb += [
                bank.forget[: cores + 1].eq(self.forget),
                bank.asks[send].eq(self.send_ask[number]),
                to_send.op.eq(MemoryOp.LOAD),
                to_send.take.eq(1),
                to_send.index.eq(self.send_group[number][BANK_BITS:]),
                self.send_taken[number].eq(bank.taken[send]),
                self.send_valid[number].eq(bank.answered[send]),
                self.send_words[number].eq(bank.words),
                bank.asks[receive].eq(self.receive_ask[number]),
                to_store.op.eq(MemoryOp.STORE),
                to_store.index.eq(self.receive_group[number][BANK_BITS:]),
                to_store.mask.eq(self.receive_mask[number]),
                to_store.data.eq(self.receive_words[number]),
                to_store.readers.eq(self.receive_readers),
                self.receive_taken[number].eq(bank.taken[receive]),
                # the host reads, writes and sets states with the operations of a core
                bank.asks[host].eq(ask.valid & (ask.p.group[:BANK_BITS] == number)),
                to_do.op.eq(ask.p.op),
                to_do.plain.eq(1),
                to_do.index.eq(ask.p.group[BANK_BITS:]),
                to_do.mask.eq(ask.p.mask),
                to_do.data.eq(ask.p.data),
                to_do.valid.eq(ask.p.valid),
                to_do.readers.eq(ask.p.readers),
            ]

        def answer(requester, parts):  # type: ignore[no-untyped-def]
            return reduce(or_, (Mux(bank.answered[requester], parts(bank), 0) for bank in banks))

        for core in range(cores):
            m.d.comb += [
                self.i[core].ready.eq(Cat(bank.taken[core] for bank in banks).any()),
                self.o[core].valid.eq(Cat(bank.answered[core] for bank in banks).any()),
                self.o[core].payload.eq(answer(core, lambda bank: bank.words.as_value())),
            ]
        m.d.comb += [
            ask.ready.eq(Cat(bank.taken[host] for bank in banks).any()),
            self.o_memory.valid.eq(Cat(bank.answered[host] for bank in banks).any()),
            self.o_memory.payload.eq(
                answer(host, lambda bank: Cat(bank.words, bank.state.valid, bank.state.readers))
            ),
            self.accesses.eq(sum(bank.taken.any() for bank in banks)),
            self.misses.eq(sum(bank.missed for bank in banks)),
            self.conflicts.eq(sum(bank.conflicts for bank in banks)),
            self.busy.eq(Cat(bank.busy for bank in banks).any()),
        ]
        return m

    @staticmethod
    def _from_core(m: Module, bank: MemoryBank, number: int, core: int, port) -> None:  # type: ignore[no-untyped-def]
        """What core ``core`` asks of bank ``number``; fields an operation has no use for are 0."""
        request = bank.requests[core]
        store = port.p.op == MemoryOp.STORE
        m.d.comb += [
            bank.asks[core].eq(port.valid & (port.p.group[:BANK_BITS] == number)),
            request.op.eq(port.p.op),
            request.index.eq(port.p.group[BANK_BITS:]),
            request.mask.eq(port.p.mask),
            request.data.eq(port.p.data),
            request.take.eq(port.p.take),
            request.plain.eq(store & port.p.plain),
            request.readers.eq(Mux(store, port.p.readers, 0)),
        ]
