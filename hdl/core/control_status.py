"""Control and status registers: modes, counts, and why the core stopped."""

from amaranth import Module, Signal, unsigned
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.mcu.mcu import configuration_layout
from panther.arch.core import (
    ADDRESS_BITS,
    CONFIG_READABLE,
    CSR_BITS,
    CSR_CONFIG,
    CSR_COUNTERS,
    CSR_COUNTERS_STRIDE,
    FAULT_BITS,
    LANES,
    READ_ONLY_CSRS,
    WATCHDOG_DEFAULT,
    CoreParams,
    Csr,
)
from panther.arch.mcu import COUNTER_BITS, counter_names

VALUE_BITS = 32


class ControlStatus(wiring.Component):
    """Read and written combinationally by ``id``; the seed lives in the vector unit.

    Parameters
    ----------
    params : CoreParams
        Units and their counters.

    Members
    -------
    id : In(12)
        ``Csr``, or a counter or the configuration of a matrix unit.
    value : In(32)
        Value to write.
    write : In(1)
        Write it.
    bad : Out(1)
        It does not exist; for a write, it is read-only or must not have the value. ``writing``
        says which is asked.
    writing : In(1)
        ``bad`` is about a write.
    result : Out(32)
        Its value.
    of_unit, unit : Out(1), Out(3)
        It is one of a unit.
    seed_write, seed : Out(1), In(32)
        The vector unit's generator.
    counter_select : Array of Out(...)
        Counter of each matrix unit wanted.
    counter_value : Array of In(32)
        Its value.
    configuration : Array of In(configuration_layout())
        Of each matrix unit.
    start : In(1)
        Cycles and instructions count from here; the fault is forgotten.
    running : In(1)
        This cycle counts.
    retire : In(1)
        An instruction is done.
    saturated : In(3)
        Words the vector unit saturates in this cycle.
    stop, cause, pc : In(1), In(4), In(14)
        The core stops for a fault.
    rounding : Out(1)
        Stochastic rounding.
    watchdog : Out(32)
        Cycles an instruction may wait.
    cycle, retired : Out(32)
        Counts since the start.
    fault, fault_pc, fault_cycle : Out(4), Out(14), Out(32)
        Why, where and when the core stopped.
    """

    def __init__(self, params: CoreParams) -> None:
        self.params = params
        counters = len(counter_names(params.mcu.slices.count))
        word = unsigned(VALUE_BITS)
        super().__init__(
            {
                "id": In(unsigned(CSR_BITS)),
                "value": In(word),
                "write": In(1),
                "writing": In(1),
                "bad": Out(1),
                "result": Out(word),
                "of_unit": Out(1),
                "unit": Out(unsigned(3)),
                "seed_write": Out(1),
                "seed": In(word),
                "counter_select": Out(range(counters)).array(params.mcus),
                "counter_value": In(unsigned(COUNTER_BITS)).array(params.mcus),
                "configuration": In(configuration_layout()).array(params.mcus),
                "start": In(1),
                "running": In(1),
                "retire": In(1),
                "saturated": In(unsigned(LANES.bit_length())),
                "stop": In(1),
                "cause": In(unsigned(FAULT_BITS)),
                "pc": In(unsigned(ADDRESS_BITS + 1)),
                "rounding": Out(1),
                "watchdog": Out(VALUE_BITS, init=WATCHDOG_DEFAULT),
                "cycle": Out(word),
                "retired": Out(word),
                "fault": Out(unsigned(FAULT_BITS)),
                "fault_pc": Out(unsigned(ADDRESS_BITS + 1)),
                "fault_cycle": Out(word),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        params = self.params
        counters = len(counter_names(params.mcu.slices.count))
        stride = CSR_COUNTERS_STRIDE.bit_length() - 1
        counter = Signal(stride)
        of_unit = Signal(VALUE_BITS)
        exists = Signal()
        m.d.comb += [
            counter.eq(self.id[:stride]),
            self.unit.eq(self.id[stride:]),
            self.of_unit.eq((self.id >> (stride + 3)) == CSR_COUNTERS >> (stride + 3)),
        ]
        for mcu in range(params.mcus):
            m.d.comb += self.counter_select[mcu].eq(counter)
            with m.If(self.unit == mcu):
                m.d.comb += [of_unit.eq(self.counter_value[mcu]), exists.eq(counter < counters)]
                for key in CONFIG_READABLE:
                    with m.If(counter == CSR_CONFIG + key):
                        configured = self.configuration[mcu][key.name.lower()]
                        m.d.comb += [of_unit.eq(configured), exists.eq(1)]

        saturated = Signal(VALUE_BITS)
        m.d.sync += saturated.eq(saturated + self.saturated)
        with m.If(self.running):
            m.d.sync += [
                self.cycle.eq(self.cycle + 1),
                self.retired.eq(self.retired + self.retire),
            ]
        with m.If(self.stop):
            m.d.sync += [
                self.fault.eq(self.cause),
                self.fault_pc.eq(self.pc),
                self.fault_cycle.eq(self.cycle),
            ]
        with m.If(self.start):
            m.d.sync += [self.cycle.eq(0), self.retired.eq(0), self.fault.eq(0)]

        registers = {
            Csr.ROUNDING: (self.rounding, self.value > 1),
            Csr.SEED: (self.seed, self.value == 0),
            Csr.WATCHDOG: (self.watchdog, self.value == 0),
            Csr.CYCLE: (self.cycle, 0),
            Csr.RETIRED: (self.retired, 0),
            Csr.SATURATED: (saturated, 0),
        }
        with m.If(self.of_unit):
            m.d.comb += [
                self.result.eq(of_unit),
                self.bad.eq(self.writing | ~exists),
            ]
        with m.Else(), m.Switch(self.id):
            for csr, (register, refused) in registers.items():
                with m.Case(csr):
                    m.d.comb += self.result.eq(register)
                    if csr in READ_ONLY_CSRS:
                        m.d.comb += self.bad.eq(self.writing)
                        continue
                    m.d.comb += self.bad.eq(self.writing & refused)
                    with m.If(self.write):
                        if csr is Csr.SEED:
                            m.d.comb += self.seed_write.eq(1)
                        else:
                            m.d.sync += register.eq(self.value)
            with m.Default():
                m.d.comb += self.bad.eq(1)
        return m
