"""Fetch: which instruction comes next; hardware loops that cost no cycle."""

from amaranth import C, Module, Mux, Signal, unsigned
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from panther.arch.core import ADDRESS_BITS, LOOP_DEPTH

COUNT_BITS = 32


class Fetch(wiring.Component):
    """The program counter and a stack of four loops, innermost first.

    With ``advance`` the next address is on ``address`` in the same cycle and in ``pc`` in the next.
    It is the target of a ``jump``, else the address behind this instruction, or behind the loop
    it skips. Where that is the end of the innermost loop with passes left, it is the loop's start
    instead; loops without are dropped. A jump drops the loops it leaves.

    Members
    -------
    start, start_pc : In(1), In(13)
        Begin at an address, without loops; ``advance`` is 0.
    advance : In(1)
        The present instruction is done.
    jump, target : In(1), In(13)
        It goes to an address.
    loop, count : In(1), In(signed 32)
        It opens a loop that ends at ``target``; with a count of 0 or less it skips it.
    pc : Out(14)
        Address of the present instruction.
    address : Out(14)
        Address of the next one.
    full : Out(1)
        The loop cannot be opened: four are.
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "start": In(1),
                "start_pc": In(unsigned(ADDRESS_BITS)),
                "advance": In(1),
                "jump": In(1),
                "target": In(unsigned(ADDRESS_BITS)),
                "loop": In(1),
                "count": In(COUNT_BITS),
                "pc": Out(unsigned(ADDRESS_BITS + 1)),
                "address": Out(unsigned(ADDRESS_BITS + 1)),
                "full": Out(1),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        wide = ADDRESS_BITS + 1
        starts = [Signal(wide, name=f"start{n}") for n in range(LOOP_DEPTH)]
        ends = [Signal(wide, name=f"end{n}") for n in range(LOOP_DEPTH)]
        counts = [Signal(COUNT_BITS, name=f"count{n}") for n in range(LOOP_DEPTH)]
        open_ = [Signal(name=f"open{n}") for n in range(LOOP_DEPTH)]

        skip, opening = Signal(), Signal()
        following = Signal(wide)
        m.d.comb += [
            skip.eq(self.loop & ((self.count == 0) | self.count[-1])),
            opening.eq(self.loop & ~skip),
            following.eq(Mux(skip, self.target, self.pc + 1)),
            self.full.eq(opening & open_[-1]),
            self.address.eq(following),
        ]
        # drop[n]: the n innermost loops end here; again: the loop behind them has another pass
        drop = Signal(range(LOOP_DEPTH + 1))
        again = Signal()
        going = C(1)
        with m.If(self.jump):
            m.d.comb += self.address.eq(self.target)
            for n in range(LOOP_DEPTH):
                inside = (starts[n] <= self.target) & (self.target < ends[n])
                left = Signal(name=f"left{n}")
                m.d.comb += left.eq(going & open_[n] & ~inside)
                with m.If(left):
                    m.d.comb += drop.eq(n + 1)
                going = left
        with m.Else():
            going = ~opening
            for n in range(LOOP_DEPTH):
                at_end, over = Signal(name=f"at_end{n}"), Signal(name=f"over{n}")
                m.d.comb += [
                    at_end.eq(going & open_[n] & (following == ends[n])),
                    over.eq(at_end & (counts[n] == 1)),
                ]
                with m.If(over):
                    m.d.comb += drop.eq(n + 1)
                with m.Elif(at_end):
                    m.d.comb += [again.eq(1), self.address.eq(starts[n])]
                going = over

        with m.If(self.start):
            m.d.comb += self.address.eq(self.start_pc)
            m.d.sync += [self.pc.eq(self.start_pc), *(flag.eq(0) for flag in open_)]
        with m.Elif(self.advance):
            m.d.sync += self.pc.eq(self.address)
            with m.If(opening):
                m.d.sync += [
                    starts[0].eq(self.pc + 1),
                    ends[0].eq(self.target),
                    counts[0].eq(self.count),
                    open_[0].eq(1),
                ]
                for n in range(1, LOOP_DEPTH):
                    m.d.sync += [
                        starts[n].eq(starts[n - 1]),
                        ends[n].eq(ends[n - 1]),
                        counts[n].eq(counts[n - 1]),
                        open_[n].eq(open_[n - 1]),
                    ]
            with m.Else():
                with m.Switch(drop):
                    for dropped in range(LOOP_DEPTH + 1):
                        with m.Case(dropped):
                            for n in range(LOOP_DEPTH):
                                if n + dropped >= LOOP_DEPTH:
                                    m.d.sync += open_[n].eq(0)
                                    continue
                                count = counts[n + dropped]
                                m.d.sync += [
                                    starts[n].eq(starts[n + dropped]),
                                    ends[n].eq(ends[n + dropped]),
                                    counts[n].eq(count - again if n == 0 else count),
                                    open_[n].eq(open_[n + dropped]),
                                ]
        return m
