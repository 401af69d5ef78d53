"""ControlStatus against a dictionary: values, refusals, counts, and why the core stopped."""

import random

import cocotb
from cocotb.triggers import FallingEdge, RisingEdge

from cocotb_tests.compare import compare
from cocotb_tests.designs import core_parameters
from cocotb_tests.drivers import corner, start
from cocotb_tests.pins import compare_pins, read
from hdl.mcu.mcu import configuration_layout
from panther.arch.core import (
    ADDRESS_BITS,
    CONFIG_READABLE,
    CSR_BITS,
    CSR_CONFIG,
    CSR_COUNTERS,
    CSR_COUNTERS_STRIDE,
    LANES,
    WATCHDOG_DEFAULT,
    Csr,
    Fault,
    csr_names,
)
from panther.arch.mcu import ConfigKey

CYCLES = 3000
MASK = (1 << 32) - 1
INPUTS = (
    "id", "value", "write", "writing", "seed", "start", "running", "retire", "saturated", "stop",
    "cause", "pc",
)  # fmt: skip
READ_ONLY = {Csr.CYCLE, Csr.RETIRED}
NEVER_ZERO = {Csr.SEED, Csr.WATCHDOG}


@cocotb.test()
@cocotb.parametrize(pause=[0.0, 0.5])
async def registers_hold_what_they_should(dut, pause):
    params = core_parameters()
    rng = random.Random(cocotb.RANDOM_SEED)
    names = {number: name for name, number in csr_names(params).items()}
    counters = [number for number in names if number >= CSR_COUNTERS]
    values = dict.fromkeys(Csr, 0) | {Csr.WATCHDOG: WATCHDOG_DEFAULT}
    running = False
    fault: tuple[int, int, int] | None = None
    seen = set()
    counter_pins = [f"counter_value__{mcu}" for mcu in range(params.mcus)]
    configured_pins = [f"configuration__{mcu}" for mcu in range(params.mcus)]
    layout = configuration_layout()
    await start(dut, *INPUTS, *counter_pins, *configured_pins)

    ends = (0, CSR_CONFIG - 1, CSR_CONFIG, *(CSR_CONFIG + key + 1 for key in CONFIG_READABLE))

    def some_id() -> int:
        edges = [number + n for number in (0, len(Csr), counters[-1], 2048) for n in (-1, 0, 1)]
        edges += [CSR_COUNTERS + CSR_COUNTERS_STRIDE * mcu + n for mcu in range(8) for n in ends]
        near = rng.choice(counters) + rng.choice((-1, 1)) * rng.choice((1, CSR_COUNTERS_STRIDE))
        choices = (rng.choice(list(Csr)), rng.choice(list(Csr)), rng.choice(counters), near)
        return rng.choice((*choices, rng.choice(edges), rng.getrandbits(CSR_BITS))) % (
            1 << CSR_BITS
        )

    for cycle in range(CYCLES):
        number, value = some_id(), rng.choice((0, 1, 2, MASK - 2, MASK, rng.getrandbits(32)))
        writing = rng.random() < 0.5
        values[Csr.SEED] = corner(rng, 0, MASK)
        counts = [rng.getrandbits(32) for _ in range(params.mcus)]
        configured = [rng.getrandbits(layout.size) for _ in range(params.mcus)]
        bad = number not in names or (
            writing
            and (
                number in READ_ONLY
                or number in counters
                or (number == Csr.ROUNDING and value > 1)
                or (number in NEVER_ZERO and value == 0)
            )
        )
        # a core writes nothing that is bad
        write = writing and not bad and rng.random() >= pause
        begin = not running and rng.random() < 0.2
        stop = running and rng.random() < 0.02
        retire = running and not stop and rng.random() < 0.6
        saturated = 0 if write else rng.choice((0, rng.randint(0, LANES)))
        cause, pc = rng.randint(1, max(Fault)), rng.getrandbits(ADDRESS_BITS + 1)
        dut.id.value, dut.value.value, dut.writing.value, dut.write.value = (
            number, value, writing, write,
        )  # fmt: skip
        dut.seed.value, dut.start.value, dut.running.value = values[Csr.SEED], begin, running
        dut.retire.value, dut.saturated.value, dut.stop.value = retire, saturated, stop
        dut.cause.value, dut.pc.value = cause, pc
        for name, count in zip(counter_pins, counts, strict=True):
            getattr(dut, name).value = count
        for name, bits in zip(configured_pins, configured, strict=True):
            getattr(dut, name).value = bits

        await RisingEdge(dut.clk)
        where = f"cycle {cycle}, register {number} {'set to' if writing else 'not'} {value}"
        golden = {
            "bad": bad, "of_unit": CSR_COUNTERS <= number < 2 * CSR_COUNTERS,
            "seed_write": write and number == Csr.SEED,
            "rounding": values[Csr.ROUNDING], "watchdog": values[Csr.WATCHDOG],
            "cycle": values[Csr.CYCLE], "retired": values[Csr.RETIRED],
            "fault": fault[0] if fault else 0,
        }  # fmt: skip
        if fault:
            golden |= {"fault_pc": fault[1], "fault_cycle": fault[2]}
        if number in counters:
            mcu, n = divmod(number - CSR_COUNTERS, CSR_COUNTERS_STRIDE)
            compare("ControlStatus", f"{where}, unit", mcu, read(dut.unit))
            if n < CSR_CONFIG:
                golden["result"] = counts[mcu]
                select = read(getattr(dut, f"counter_select__{mcu}"))
                compare("ControlStatus", f"{where}, counter_select {mcu}", n, select)
            else:
                field = layout[ConfigKey(n - CSR_CONFIG).name.lower()]
                golden["result"] = configured[mcu] >> field.offset & (1 << field.width) - 1
        elif number in names:
            golden["result"] = values[Csr(number)]
        compare_pins("ControlStatus", where, dut, **golden)
        seen.add((bad, writing))

        values[Csr.SATURATED] += saturated
        if running:
            values[Csr.RETIRED] += retire
            values[Csr.CYCLE] += 1
        if stop:
            # in this cycle, the count of which is what it was at its start
            fault = cause, pc, values[Csr.CYCLE] - 1
        if begin:
            values[Csr.CYCLE] = values[Csr.RETIRED] = 0
            fault = None
        if write:
            values[Csr(number)] = value
        values = {csr: item & MASK for csr, item in values.items()}
        # it halts without a fault, too
        running = begin or (running and not stop and rng.random() >= 0.01)
        await FallingEdge(dut.clk)
    assert len(seen) == 4, f"good and bad must be read and written, not {seen}"
