"""What is counted of a core and its matrix units, against numbers worked out by hand."""

from dataclasses import replace

import numpy as np
import pytest

from cocotb_tests.designs import HEADROOM, SETS
from models.analog.array import IdealArray, make_arrays
from models.system import mcu
from models.system.core import Core
from panther.arch.core import CoreParams
from panther.arch.device import DeviceParams
from panther.arch.isa import WORK, Function, work
from panther.arch.mcu import ConfigKey, InBank, Operation
from panther.arch.params import McuParams, OpaParams
from panther.arch.tile import MCU_COUNTERS, core_counter_names
from panther.asm import assemble_text

LANES = SETS["LANES"]
"""8 rows, 12 columns, 4 ADCs a slice, 6 operand bits."""
CORE = CoreParams(
    mcu=replace(LANES, operand_bits=16), mcus=2, registers=128, instructions=32, memory_words=256
)


class Noted(IdealArray):
    """An array that compiled code does not know; counts what happens to it."""

    def __init__(self, params: McuParams) -> None:
        super().__init__(params)
        self.counts = dict.fromkeys(MCU_COUNTERS[1:], 0)
        adcs = params.adc.per_slice
        self.groups = {True: params.rows // adcs, False: params.columns // adcs}

    def convert(self, drive, *, transpose, fine, copies):
        self.counts["row_reads" if fine else "mtvm_steps" if transpose else "mvm_steps"] += 1
        self.counts["conversions"] += 0 if fine else self.groups[transpose]
        return super().convert(drive, transpose=transpose, fine=fine, copies=copies)

    def pulse(self, train):
        self.counts["pulses"] += len(train.negative)
        super().pulse(train)

    def program(self, row, cells):
        self.counts["row_writes"] += 1
        super().program(row, cells)


def counts(mcus, m):
    return dict(zip(MCU_COUNTERS[1:], mcus.activity[m].tolist(), strict=True))


def started(params, operations, *, rows=0, columns=0, operands=()):
    """What two units count, one compiled and one that is not: they must count the same."""
    array = Noted(params)
    mcus = mcu.make_units(params, [IdealArray(params), array])
    for m in (0, 1):
        mcus.config[m, ConfigKey.ROWS] = rows or params.rows
        mcus.config[m, ConfigKey.COLUMNS] = columns or params.columns
        mcus.xbar_in[m, InBank.OPA_ROWS, : len(operands)] = operands
        mcus.xbar_in[m, InBank.OPA_COLUMNS] = 3
    mcu.start(mcus, 0, operations, 0)
    mcu.start_external(mcus, 1, operations, 0, array)
    assert counts(mcus, 0) == counts(mcus, 1)
    return {name: count for name, count in counts(mcus, 0).items() if count}


@pytest.mark.parametrize(("columns", "groups"), [(12, 3), (9, 3), (8, 2), (5, 2), (4, 1), (1, 1)])
def test_products_convert_the_lines_in_use(columns, groups):
    found = started(LANES, 1 << Operation.MVM, columns=columns)
    assert found == {"mvm_steps": 6, "conversions": 6 * groups}


def test_transposed_products_convert_rows():
    both = 1 << Operation.MTVM | 1 << Operation.MVM
    found = started(LANES, both, rows=5, columns=12)
    assert found == {"mvm_steps": 6, "mtvm_steps": 6, "conversions": 6 * 2 + 6 * 3}


def test_every_row_in_use_is_read_and_written_in_a_crs():
    found = started(LANES, 1 << Operation.CRS, rows=3, columns=6)
    assert found == {"row_reads": 3, "row_writes": 3}


@pytest.mark.parametrize(
    ("opa", "operands", "steps"),
    [
        (OpaParams(), (), 6),
        (OpaParams(), (7, -7, 1), 6),
        (OpaParams(row_digits="naf"), (7, 0), 6),
        (OpaParams(skip_steps=True), (), 0),
        (OpaParams(skip_steps=True), (7,), 3),
        (OpaParams(skip_steps=True), (-7, 16), 4),
        # 7 = 8 - 1, 5 = 4 + 1
        (OpaParams(skip_steps=True, row_digits="naf"), (7,), 2),
        (OpaParams(skip_steps=True, row_digits="naf"), (-7, 5), 3),
    ],
)
def test_steps_that_are_driven_have_four_pulses(opa, operands, steps):
    found = started(replace(LANES, opa=opa), 1 << Operation.OPA, operands=operands)
    assert found == ({"pulses": 4 * steps} if steps else {})


def test_an_opa_pulses_rows_with_room_and_resolves_the_others():
    # 8 rows in 4 groups, 12 columns, 4 ADCs a slice, 6 operand bits
    params = HEADROOM["PAIRS"]
    opa, crs = 1 << Operation.OPA, 1 << Operation.CRS
    # after a reset no group has room: those with a digit are resolved, but for rows not in use
    found = started(params, opa, operands=(0, 0, 5, 0, 0, 0, 1), columns=6)
    assert found == {"row_reads": 4, "row_writes": 4}
    found = started(params, opa, operands=(0, 0, 5, 0, 0, 0, 1), rows=7)
    assert found == {"row_reads": 3, "row_writes": 3}
    assert started(params, opa) == {}
    # behind a CRS of three groups theirs have room, and the last one has a row not in use
    arrays = [IdealArray(params), Noted(params)]
    mcus = mcu.make_units(params, arrays)
    for m in (0, 1):
        mcus.config[m, ConfigKey.ROWS] = 5
        mcus.xbar_in[m, InBank.OPA_COLUMNS] = 1
        for operations in (crs, opa):
            mcus.xbar_in[m, InBank.OPA_ROWS] = 1
            if m:
                mcu.start_external(mcus, m, operations, 0, arrays[m])
            else:
                mcu.start(mcus, m, operations, 0)
        expected = {"row_reads": 5, "row_writes": 5, "pulses": 24}
        assert {name: count for name, count in counts(mcus, m).items() if count} == expected


def random_operands(rng, params):
    half = 1 << (params.operand_bits - 1)
    words = rng.integers(-half, half, (len(InBank), max(params.rows, params.columns)))
    return words >> rng.integers(0, params.operand_bits, words.shape)


@pytest.mark.parametrize("name", ["TINY", "TINY_ENCODED", "LANES_SKIP", "PAIRS_SKIP", "HALVES"])
def test_events_of_an_array_are_counted(name):
    """Against what arrives at the array, whose lines are all in use."""
    params = {**SETS, **HEADROOM}[name]
    rng = np.random.default_rng(5)
    array = Noted(params)
    mcus = mcu.make_units(params, [IdealArray(params), array])
    for _ in range(30):
        operations = int(rng.choice([1, 2, 4, 4, 8, 15]))
        mcus.xbar_in[0] = mcus.xbar_in[1] = random_operands(rng, params)
        mcu.start(mcus, 0, operations, 0)
        mcu.start_external(mcus, 1, operations, 0, array)
        assert counts(mcus, 1) == array.counts
        assert counts(mcus, 0) == array.counts
    assert all(array.counts.values())


# ---- the core

PROGRAM = """
        v.mul   r0, r64, r0, 13, 4      ; 26 read, 13 written
        vi.mul  r0, r64, 3, 8, 1        ; 8, 8
        vi.div  r0, r64, 3, 7, 1        ; 7, 7
        vi.exp  r0, r64, 5, 10          ; 5, 5
        vi.recip r0, r64, 2, 10         ; 2, 2
        vi.shr  r0, r64, 3, 10          ; 3, 3
        v.add   r0, r64, r0, 40         ; 80, 40
        vset    m1.opa_rows, 5, 8       ; 0, 8
        vr.sum  s1, r0, 9               ; 9, 0
        loop    3, end
        ld2     r0, s0, 0, 4, 5, 16     ; 0, 20
end:    st      r0, s0, 100, 11, plain  ; 11, 0
        inv     s0, 128, 4
        mcu     m1:opa
        crs     m0
        hlt
"""


def core(params=CORE, text=PROGRAM):
    made = Core(params, make_arrays(params.mcu, params.mcus))
    made.load_memory(0, np.zeros(128, np.int16))
    made.load(assemble_text(text, params).words)
    made.start()
    made.run()
    return made


@pytest.mark.parametrize("device", [DeviceParams(), DeviceParams(pulse_noise=0.2)])
def test_retired_instructions_are_counted(device):
    made = core(replace(CORE, mcu=replace(CORE.mcu, device=device)))
    found = made.activity()
    assert list(found) == core_counter_names(CORE)
    expected = {
        "instructions": 10 + 3 + 5,
        "words_read": 26 + 8 + 7 + 5 + 2 + 3 + 80 + 9 + 11,
        "words_written": 13 + 8 + 7 + 5 + 2 + 3 + 40 + 8 + 3 * 20,
        "mul": 13 + 8,
        "div": 7,
        "table": 5 + 2,
        "other": 3 + 40 + 8 + 9,
        "m0.row_reads": 8,
        "m0.row_writes": 8,
        "m1.pulses": 64,
    }
    cycles = ("running", "wait_matrix", "wait_memory", "busy")
    assert {name: n for name, n in found.items() if n and not name.endswith(cycles)} == expected
    assert found["running"] == made.cycle + 1


def test_what_the_host_executes_is_counted_of_the_matrix_units_only():
    made = core(text="hlt")
    before = made.activity()
    for text in ("v.mul r0, r64, r0, 13, 4", "st r0, s0, 0, 4, plain", "mcu m1:opa"):
        made.execute(assemble_text(text, CORE).words[0])
    after = made.activity()
    changed = {name for name, count in after.items() if count != before[name]}
    assert changed == {"m1.busy", "m1.pulses"}


def test_an_instruction_that_stops_the_core_is_not_counted():
    found = core(text="vset r0, 1, 4\nv.add r120, r0, r0, 13\nhlt").activity()
    assert (found["instructions"], found["words_read"], found["other"]) == (1, 0, 4)


def test_counters_wrap():
    made = core(text="hlt")
    made._work_before[:] = (1 << 32) + 5
    made.machine.mcus.activity[:] = (1 << 32) + 7
    found = made.activity()
    assert (found["other"], found["m1.row_writes"]) == (5, 7)


def test_every_function_is_some_work():
    assert {work(function) for function in Function} == set(WORK)
    assert [work(function) for function in (Function.MUL, Function.SHR, Function.TANH)] == [
        "mul", "other", "table",
    ]  # fmt: skip
