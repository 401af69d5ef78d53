"""MCU issue: starts operations in many matrix units at once and says which banks they use."""

from amaranth import Module, Mux, Signal, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from panther.arch.core import MAX_MCUS, CoreParams
from panther.arch.mcu import INDEX_BITS, OPERATION_BITS, InBank, Operation, OutBank

QUEUED = (Operation.MVM, Operation.MTVM, Operation.OPA, Operation.CRS)
"""Operations a unit may have pending, in the order they are handed to it."""


def command_layout() -> data.StructLayout:
    """What a matrix unit is told to do."""
    return data.StructLayout({"operation": unsigned(OPERATION_BITS), "row": unsigned(INDEX_BITS)})


class McuIssue(wiring.Component):
    """Four pending bits a unit; the first one is handed over as soon as the unit is not busy.

    Bits set in one cycle are seen from the next one on. A bank is in use as long as an operation
    that touches it is pending or running.

    Parameters
    ----------
    params : CoreParams
        Number of units.

    Members
    -------
    issue : In(1)
        Set pending bits; only of idle units.
    operations : In(24)
        Bits 3 m to 3 m + 2: MVM, MTVM, OPA of unit m.
    crs : In(8)
        Bit m: CRS of unit m.
    busy : In(mcus)
        What the units say.
    o : Array of Out(stream.Signature(command_layout()))
        Commands.
    idle : Out(mcus)
        Units with nothing pending that are not busy.
    in_use, out_use : Out(4 * mcus), Out(2 * mcus)
        Banks of XbarIn and of XbarOut in use.
    """

    def __init__(self, params: CoreParams) -> None:
        self.params = params
        super().__init__(
            {
                "issue": In(1),
                "operations": In(unsigned(3 * MAX_MCUS)),
                "crs": In(unsigned(MAX_MCUS)),
                "busy": In(unsigned(params.mcus)),
                "o": Out(stream.Signature(command_layout())).array(params.mcus),
                "idle": Out(unsigned(params.mcus)),
                "in_use": Out(unsigned(len(InBank) * params.mcus)),
                "out_use": Out(unsigned(len(OutBank) * params.mcus)),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        for mcu in range(self.params.mcus):
            pending = Signal(len(QUEUED), name=f"pending{mcu}")
            running = Signal(len(QUEUED), name=f"running{mcu}")
            active = Signal(len(QUEUED), name=f"active{mcu}")
            first = Signal(len(QUEUED), name=f"first{mcu}")
            command = self.o[mcu]
            m.d.comb += [
                first.eq(pending & -pending),
                command.valid.eq((pending != 0) & ~self.busy[mcu]),
                active.eq(pending | Mux(self.busy[mcu], running, 0)),
                self.idle[mcu].eq((pending == 0) & ~self.busy[mcu]),
                self.in_use[len(InBank) * mcu + InBank.MVM].eq(active[0]),
                self.in_use[len(InBank) * mcu + InBank.MTVM].eq(active[1]),
                self.in_use[len(InBank) * mcu + InBank.OPA_ROWS].eq(active[2]),
                self.in_use[len(InBank) * mcu + InBank.OPA_COLUMNS].eq(active[2]),
                self.out_use[len(OutBank) * mcu + OutBank.MVM].eq(active[0]),
                self.out_use[len(OutBank) * mcu + OutBank.MTVM].eq(active[1]),
            ]
            for n, operation in enumerate(QUEUED):
                with m.If(first[n]):
                    m.d.comb += command.p.operation.eq(operation)
            handed = Signal(len(QUEUED), name=f"handed{mcu}")
            named = Signal(len(QUEUED), name=f"named{mcu}")
            with m.If(command.valid & command.ready):
                m.d.comb += handed.eq(first)
                m.d.sync += running.eq(first)
            with m.If(self.issue):
                m.d.comb += [
                    named[:3].eq(self.operations[3 * mcu : 3 * mcu + 3]),
                    named[QUEUED.index(Operation.CRS)].eq(self.crs[mcu]),
                ]
            # a unit may be handed its next operation in the very cycle others are named
            m.d.sync += pending.eq(pending & ~handed | named)
        return m
