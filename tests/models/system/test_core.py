"""The core at transaction level against values and cycles worked out by hand from docs/core.md."""

import numpy as np
import pytest

from models.analog.array import IdealArray
from models.system.core import Core, Status
from models.system.load_store import make_load_store
from models.system.memory import make_memory
from models.system.trace import Event
from panther.arch.core import GENERAL_BASE, CoreParams, Csr, Fault, MemoryOp, csr_names
from panther.arch.isa import INSTRUCTIONS
from panther.arch.mcu import ConfigKey, InBank, Operation, OutBank
from panther.arch.params import McuParams, SliceParams
from panther.asm import assemble_text

MCU = McuParams(rows=8, columns=6, slices=SliceParams(value_bits=4, cell_bits=(5, 6, 5)))
PARAMS = CoreParams(mcu=MCU, mcus=2, registers=128, instructions=64, memory_words=256)
MVM_CYCLES = 15 * 6 + 6 + 4 + 8
MTVM_CYCLES = 15 * 8 + 8 + 4 + 8
OPA_CYCLES = 4 * 16 + 3
CRS_CYCLES = 8 * (6 + 4 + 4 + 1 + 4) + 2
M1_MVM = PARAMS.xbar_in(1, InBank.MVM)
OUT = PARAMS.xbar_out(0, OutBank.MVM)
R0 = GENERAL_BASE


class Opaque(IdealArray):
    """An array that compiled code does not know."""


def core(trace=True, params=PARAMS, outside=False, **keywords):
    kind = Opaque if outside else IdealArray
    arrays = [kind(params.mcu) for _ in range(params.mcus)]
    return Core(params, arrays, trace=trace, **keywords)


def word(mnemonic, **values):
    return INSTRUCTIONS[mnemonic].encode(**values)


def ran(text, made=None, **limits):
    """A core that has run the program, an assembler's text or words."""
    made = core() if made is None else made
    made.load(assemble_text(text, PARAMS).words if isinstance(text, str) else text)
    made.start()
    made.run(**limits)
    return made


def retired(made):
    return made.events(Event.RETIRE)[:, 0].tolist()


def durations(made):
    """Cycles of each instruction, D included."""
    return np.diff([-1, *retired(made)]).tolist()


# ---- scalar unit


@pytest.mark.parametrize(
    ("name", "a", "b", "result"),
    [
        ("add", 2**31 - 1, 1, -(2**31)),
        ("sub", -(2**31), 1, 2**31 - 1),
        ("mul", 2**31 - 1, 2**31 - 1, 1),
        ("mul", -7, 6, -42),
        ("and", -4, 7, 4),
        ("or", -4, 1, -3),
        ("xor", -1, 1, -2),
        ("shl", 3, 31, -(2**31)),
        ("shl", 3, 33, 6),
        ("shr", -1, 28, 15),
        ("shr", -5, 32, -5),
        ("sra", -5, 1, -3),
        ("sra", 5, 33, 2),
        ("slt", -1, 0, 1),
        ("slt", 0, -1, 0),
        ("slt", 3, 3, 0),
    ],
)
def test_scalar_functions(name, a, b, result):
    made = ran(f"sset s1, {a}\nsset s2, {b}\nsalu.{name} s3, s1, s2\nhlt")
    assert made.status is Status.HALTED
    assert made.scalars[3] == result
    assert made.events(Event.SCALAR).tolist() == [
        [1, 1, a % 2**32], [3, 2, b % 2**32], [5, 3, result % 2**32],
    ]  # fmt: skip


def test_scalar_zero_reads_zero_and_is_never_written():
    made = ran("sset s0, 5\nsadd s1, s0, -3\nsadd s0, s1, 9\nvr.max s0, r0, 4\nhlt")
    assert made.scalars[:2].tolist() == [0, -3]
    assert made.events(Event.SCALAR).tolist() == [[3, 1, 2**32 - 3]]


@pytest.mark.parametrize(
    ("name", "a", "b", "taken"),
    [
        ("eq", 1, 1, True), ("eq", 1, 2, False), ("ne", 1, 1, False), ("ne", 1, 2, True),
        ("lt", -1, 0, True), ("lt", 0, 0, False), ("ge", 0, 0, True), ("ge", -1, 0, False),
    ],
)  # fmt: skip
def test_branches(name, a, b, taken):
    made = ran(f"sset s1, {a}\nsset s2, {b}\nbr.{name} s1, s2, there\nsset s3, 1\nthere:\nhlt")
    assert made.scalars[3] == (not taken)
    assert made.cycle == (7 if taken else 9)


def test_jump_skips():
    made = ran("jmp there\nsset s1, 1\nthere: sset s2, 2\nhlt")
    assert made.scalars[:3].tolist() == [0, 0, 2]


# ---- vector unit


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("v.add r32, r0, r16, 6", [32767, -32768, 7, 0, 5, -32767]),
        ("v.sub r32, r0, r16, 6", [32766, -32765, 3, -2, -1, -32768]),
        ("v.mul r32, r0, r16, 6, 1", [16384, 32767, 5, 0, 3, -16384]),
        ("v.and r32, r0, r16, 6", [1, -32768, 0, 1, 2, 0]),
        ("v.or r32, r0, r16, 6", [32767, -3, 7, -1, 3, -32767]),
        ("v.andn r32, r0, r16, 6", [32766, 0, 5, -2, 0, -32768]),
        ("v.cgt r32, r0, r16, 6", [-1, 0, -1, 0, 0, 0]),
        ("v.ceq r32, r0, r0, 6", [-1] * 6),
        ("v.max r32, r0, r16, 6", [32767, -3, 5, 1, 3, 1]),
        ("v.min r32, r0, r16, 6", [1, -32768, 2, -1, 2, -32768]),
        ("v.mov r32, r0, 6", [32767, -32768, 5, -1, 2, -32768]),
        ("v.satg r32, r16, r0, 6", [1, -3, 2, 1, 3, 0]),
        ("vs.add r32, r0, s1, 6", [32764, -32768, 2, -4, -1, -32768]),
        ("vs.rsub r32, r0, s1, 6", [-32768, 32765, -8, -2, -5, 32765]),
        ("vs.div r32, r0, s1, 6, 1", [-21845, 21845, -3, 1, -1, 21845]),
        ("vs.div r32, r0, s2, 6, 2", [2, -2, 0, 0, 0, -2]),
        ("vs.mul r32, r0, s2, 6, 0", [0] * 6),
        ("vi.add r32, r0, 4, 6", [32767, -32764, 9, 3, 6, -32764]),
        ("vi.div r32, r0, 4, 6, 1", [16384, -16384, 3, -1, 1, -16384]),
        ("vi.shl r32, r0, 6, 2", [32767, -32768, 20, -4, 8, -32768]),
        ("vi.shr r32, r0, 6, 2", [8192, -8192, 1, 0, 1, -8192]),
        ("vset r32, -2, 6", [-2] * 6),
    ],
)
def test_vector_functions(text, result):
    made = core()
    made.registers[R0 : R0 + 6] = [32767, -32768, 5, -1, 2, -32768]
    made.registers[R0 + 16 : R0 + 22] = [1, -3, 2, 1, 3, 1]
    ran(f"sset s1, -3\nsset s2, 0x10000\n{text}\nhlt", made)
    assert made.status is Status.HALTED
    assert made.registers[R0 + 32 : R0 + 38].tolist() == result


@pytest.mark.parametrize(
    ("name", "arguments", "result"),
    [
        ("exp", [0, 2048], [16384, 2217]),  # exp(-2) = 0.135335
        ("sigmoid", [0, 1024], [8192, 11978]),  # 0.731059
        ("tanh", [0, -1024], [0, -12478]),  # 0.761594
        ("log", [1024, 2048], [0, 710]),  # 0.693147
        ("recip", [2048, -4096], [512, -256]),
    ],
)
def test_table_functions(name, arguments, result):
    made = core()
    made.registers[R0 : R0 + 2] = arguments
    ran(f"vi.{name} r0, r0, 2, 10\nhlt", made)
    assert made.registers[R0 : R0 + 2] == pytest.approx(result, abs=3)


def test_reductions():
    made = core()
    made.registers[R0 : R0 + 5] = [-9, 32767, 32767, 3, -32768]
    ran("vr.max s1, r0, 5\nvr.sum s2, r0, 5\nvr.max s3, r4, 1\nhlt", made)
    assert made.scalars[1:4].tolist() == [32767, 32760, -32768]
    assert made.events(Event.SCALAR).tolist() == [
        [4, 1, 32767], [9, 2, 32760], [13, 3, 2**32 - 32768],
    ]  # fmt: skip


def test_vectors_may_move_towards_lower_addresses():
    made = core()
    made.registers[R0 : R0 + 12] = range(12)
    ran("v.mov r0, r3, 9\nv.add r0, r0, r0, 4\nhlt", made)
    assert made.registers[R0 : R0 + 9].tolist() == [6, 8, 10, 12, 7, 8, 9, 10, 11]


def test_saturated_words_are_counted():
    made = ran(
        "csr saturated, 0xFFFFFFFE\nvset r0, 32767, 3\nvi.add r0, r0, 1, 3\ncsrr s1, saturated\nhlt"
    )
    assert made.scalars[1] == made.csr(Csr.SATURATED) == 1


def test_stochastic_rounding_uses_the_seed():
    text = "csr rounding, 1\ncsr seed, {}\nvset r0, 1, 64\nvi.shr r0, r0, 64, 1\ncsrr s1, seed\nhlt"
    results = set()
    for seed in (5, 5, 6):
        made = ran(text.format(seed))
        words = made.registers[R0 : R0 + 64]
        assert 0 < words.sum() < 64
        assert made.scalars[1] % 2**32 == made.csr(Csr.SEED) != seed
        results.add(words.tobytes())
    assert len(results) == 2


# ---- loops


def passes(text):
    """How often s1 and s2 were counted up, and cycles of the whole."""
    made = ran(text)
    assert made.status is Status.HALTED
    return [*made.scalars[1:3].tolist(), made.cycle]


def test_loop_costs_nothing_but_its_own_two_cycles():
    assert passes("loop 5, end\nsadd s1, s1, 1\nend: hlt") == [5, 0, 13]


def test_loop_of_no_passes_is_skipped():
    assert passes("loop 0, end\nsadd s1, s1, 1\nend: sadd s2, s2, 1\nhlt") == [0, 1, 5]


@pytest.mark.parametrize(("count", "expected"), [(3, 3), (0, 0), (-1, 0)])
def test_loop_with_its_count_in_a_register(count, expected):
    text = f"sset s3, {count}\nloops s3, end\nsadd s1, s1, 1\nend: hlt"
    assert passes(text)[0] == expected


def test_four_loops_end_at_one_address():
    loops = "loop 2, end\nloop 3, end\nloop 2, end\nloop 2, end\nsadd s1, s1, 1\nend: hlt"
    made = ran(loops)
    assert made.scalars[1] == 24
    # every loop is entered once a pass of the ones around it
    assert made.cycle == 2 * (1 + 2 + 6 + 12 + 24) + 1


def test_skipped_loop_that_ends_with_its_outer_one_sends_it_back():
    assert passes("loop 3, end\nsadd s2, s2, 1\nloop 0, end\nsadd s1, s1, 1\nend: hlt")[:2] == [
        0, 3,
    ]  # fmt: skip


def test_branch_out_of_loops_drops_them():
    text = """
        loop 4, outer
        loop 4, inner
        sadd s1, s1, 1
        br.eq s1, s3, out
        nop
    inner:
        sadd s2, s2, 1
    outer:
        nop
    out:
        sadd s4, s4, 1
        br.lt s4, s5, again
        hlt
    again:
        jmp 0
    """
    made = ran("sset s3, 6\nsset s5, 1\n" + text.replace("jmp 0", "jmp 2"))
    assert made.scalars[1:3].tolist() == [6, 1]


def test_jump_within_a_loop_does_not_look_at_ends():
    # going to the end leaves the loop, in which two passes are left
    assert passes("loop 3, end\nsadd s1, s1, 1\njmp end\nnop\nend: hlt")[0] == 1
    # going to its first instruction stays within
    text = """
        sset s3, 2
        loop 2, end
    first:
        sadd s1, s1, 1
        br.lt s1, s3, first
        nop
    end:
        hlt
    """
    assert passes(text)[0] == 3


def test_going_to_the_end_of_a_loop_leaves_it():
    # a fifth loop would be one too many
    text = "".join(f"loop 3, end{n}\njmp end{n}\nend{n}:\n" for n in range(5))
    assert ran(text + "hlt").status is Status.HALTED


def test_dropping_stops_at_the_first_loop_that_contains_the_target():
    # the inner loop ends behind the outer one, and keeps it when the jump at 2 leaves the outer one
    made = ran(
        [
            word("loop", count=2, end=4),
            word("loop", count=2, end=7),
            word("jmp", target=5),
            word("nop"),
            word("hlt"),
            word("sadd", sd=1, sa=1, imm=1),
            word("nop"),
            word("jmp", target=3),
        ]
    )
    assert made.status is Status.HALTED
    assert made.scalars[1] == 4


# ---- memory


def test_loads_and_stores_move_words():
    made = core()
    made.load_memory(8, np.arange(100, 120))
    ran(
        "sset s1, 10\nld r1, s1, -1, 6\nst r1, s1, 31, 6, plain\n"
        "ld2 r16, s1, -2, 3, 3, 5\nst r16, s0, 60, 9, plain\nhlt",
        made,
    )
    assert made.status is Status.HALTED
    assert made.registers[R0 + 1 : R0 + 7].tolist() == [101, 102, 103, 104, 105, 106]
    assert made.memory_words[40:48].tolist() == [0, 101, 102, 103, 104, 105, 106, 0]
    gathered = [100, 101, 102, 105, 106, 107, 110, 111, 112]
    assert made.memory_words[60:69].tolist() == gathered
    assert made.memory.valid.nonzero()[0].tolist() == [2, 3, 4, 5, 6, 10, 11, 15, 16, 17]
    assert not made.memory.readers.any()


def test_stored_words_wait_for_their_readers():
    made = core(port=make_load_store(PARAMS, make_memory(PARAMS.memory_words), 1))
    ran("vset r0, 7, 6\nst r0, s0, 8, 6, core1 | core3\nld r8, s0, 8, 6, take\nhlt", made)
    assert made.status is Status.HALTED
    assert made.registers[R0 + 8 : R0 + 14].tolist() == [7] * 6
    assert made.memory.readers[2:4].tolist() == [8, 8]
    assert made.memory.valid[2:4].all()


def test_last_reader_frees_the_words_and_release_does():
    made = ran(
        "vset r0, 7, 4\nst r0, s0, 8, 4, core0\nld r8, s0, 8, 4, take\nst r0, s0, 8, 4, core2\n"
        "inv s0, 8, 1\nst r0, s0, 8, 4, core0\nhlt"
    )
    assert made.status is Status.HALTED
    assert made.memory.readers[2] == 1


def test_plain_store_over_words_with_readers_forgets_them():
    made = core()
    made.memory.valid[2], made.memory.readers[2] = True, 7
    ran("vset r0, 7, 2\nst r0, s0, 9, 2, plain\nhlt", made)
    assert made.memory.readers[2] == 0
    assert made.memory.valid[2]
    assert made.memory_words[8:12].tolist() == [0, 7, 7, 0]


@pytest.mark.parametrize(
    ("valid", "readers", "instruction"),
    [
        (False, 0, "ld r0, s0, 8, 4"),
        (True, 2, "ld r0, s0, 8, 4, take"),
        (True, 0, "ld r0, s0, 8, 4, take"),
        (True, 0, "st r0, s0, 8, 4"),
        (True, 2, "st r0, s0, 8, 4, core0"),
    ],
)
def test_what_nobody_gives_or_takes_ends_in_the_watchdog(valid, readers, instruction):
    made = core()
    made.memory.valid[2], made.memory.readers[2] = valid, readers
    ran(f"csr watchdog, 10\n{instruction}\nhlt", made)
    assert (made.status, made.fault, made.pc) == (Status.FAULTED, Fault.WATCHDOG, 1)
    offered = 4 if instruction.startswith("ld") else 5
    assert made.cycle == offered + 10
    assert made.retired == 1


def test_transfer_stopped_in_midway_has_done_what_the_memory_had_taken():
    made = core()
    made.load_memory(0, range(1, 9))
    ran("csr watchdog, 1\nld r0, s0, 0, 12\nhlt", made)
    assert made.fault is Fault.WATCHDOG
    assert made.cycle == 2 + 1 + 1 + 2 + 1
    assert made.registers[R0 : R0 + 12].tolist() == [*range(1, 9), 0, 0, 0, 0]
    assert made.events(Event.VECTOR)[:, 0].tolist() == [6, 7]


@pytest.mark.parametrize("latency", [1, 16])
def test_answers_take_the_memorys_latency(latency):
    params = CoreParams(mcu=MCU, registers=128, memory_words=256, memory_cycles=latency)
    made = core(params=params)
    made.load_memory(0, range(8))
    ran("ld r0, s0, 0, 8\nhlt", made)
    assert durations(made) == [2 + 2 + latency, 2]


# ---- cycles


@pytest.mark.parametrize(
    ("instruction", "cycles"),
    [
        ("nop", 2),
        ("jmp 1", 2),
        ("br.eq s0, s0, 1", 2),
        ("br.ne s0, s0, 1", 2),
        ("loop 1, 2", 2),
        ("csr rounding, 0", 2),
        ("csrr s1, cycle", 2),
        ("sset s1, 3", 2),
        ("salu.mul s1, s2, s3", 2),
        ("v.add r0, r4, r8, 1", 4),
        ("v.add r0, r4, r8, 4", 4),
        ("v.add r0, r4, r8, 5", 5),
        ("v.add r1, r1, r1, 13", 7),
        ("vi.exp r0, r0, 16, 10", 7),
        ("vset r0, 1, 8", 5),
        ("vr.sum s1, r0, 9", 6),
        ("vi.div r0, r0, 3, 4, 0", 21),
        ("vi.div r0, r0, 3, 5, 0", 39),
        ("ld r0, s0, 0, 4", 5),
        ("ld r0, s0, 3, 4", 6),
        ("ld r0, s0, 2, 11", 8),
        ("ld2 r0, s0, 0, 3, 3, 4", 7),
        ("ld2 r0, s0, 2, 3, 3, 4", 10),
        ("st r0, s0, 64, 4, plain", 4),
        ("st r0, s0, 67, 6, plain", 6),
        ("st r0, s0, 64, 9", 6),
        ("inv s0, 0, 4", 3),
        ("inv s0, 0, 9", 5),
        ("mcu m0:mvm", 2),
        ("crs m0", 2),
        ("mcfg m0, rows, 3", 2),
        ("hlt", 2),
    ],
)
def test_cycles_of_an_instruction(instruction, cycles):
    made = core()
    made.load_memory(0, range(64))
    ran(f"{instruction}\nnop\nhlt", made, limit_instructions=2)
    assert durations(made)[0] == cycles


def test_cycle_and_retired_are_those_of_the_x_cycle():
    made = ran("nop\nvset r0, 0, 8\ncsrr s1, cycle\ncsrr s2, retired\nhlt")
    assert made.scalars[1:3].tolist() == [2 + 5 + 1, 3]
    assert (made.retired, made.csr(Csr.RETIRED)) == (5, 5)


# ---- matrix units


def filled(outside=False):
    made = core(outside=outside)
    rng = np.random.default_rng(3)
    for array in made.arrays:
        array.cells = rng.integers(-8, 8, (3, 8, 6), dtype=np.int16)
    return made


def weights(made, m):
    return sum(made.cells(m)[k].astype(np.int64) << 4 * k for k in range(3))


def test_matrix_units_compute_in_the_background():
    made = filled()
    w = weights(made, 1)
    ran(
        "vset m1.mvm_in, 3, 8\nvset m1.mtvm_in, -2, 6\nmcfg m1, mtvm_shift, 1\n"
        "mcu m1:mvm+mtvm\nv.mov r0, m1.mvm_out, 6\nv.mov r8, m1.mtvm_out, 8\nhlt",
        made,
    )
    assert made.registers[R0 : R0 + 6].tolist() == np.clip(3 * w.sum(0), -32768, 32767).tolist()
    assert made.xbar_out(1, OutBank.MTVM).tolist() == (-w.sum(1)).clip(-32768, 32767).tolist()
    issued = 5 + 5 + 2 + 1
    first, second = issued + 1 + MVM_CYCLES, issued + 1 + MVM_CYCLES + MTVM_CYCLES
    assert made.events(Event.OPERATION).tolist() == [
        [issued, 1, Operation.MVM, issued + 1, first],
        [issued, 1, Operation.MTVM, first, second],
    ]
    # the moves wait for their own bank only, the second one has its groups left after that
    assert retired(made)[-3:] == [first + 3, second + 3, second + 5]


@pytest.mark.parametrize(
    ("operations", "instruction", "busy"),
    [
        ("mcu m0:mvm", "vset m0.mvm_in, 1, 2", MVM_CYCLES),
        ("mcu m0:mvm", "vset m0.mtvm_in, 1, 2", 0),
        ("mcu m0:mvm", "vset m1.mvm_in, 1, 2", 0),
        ("mcu m0:mvm", "v.mov r0, m0.mvm_in, 2", 0),
        ("mcu m0:mvm", "v.mov r0, m0.mvm_out, 2", MVM_CYCLES),
        ("mcu m0:mvm", "v.add r0, r4, m0.mvm_out, 2", MVM_CYCLES),
        ("mcu m0:mvm", "v.mov r0, m0.mtvm_out, 2", 0),
        ("mcu m0:mvm", "vr.max s1, m0.mvm_out, 2", MVM_CYCLES),
        ("mcu m0:mvm", "st m0.mvm_out, s0, 64, 2, plain", MVM_CYCLES),
        ("mcu m0:mvm", "st m0.mvm_in, s0, 64, 2, plain", 0),
        ("mcu m0:mvm", "ld m0.mvm_in, s0, 0, 2", MVM_CYCLES),
        ("mcu m0:mvm", "ld2 m0.mvm_in, s0, 0, 2, 1, 0", MVM_CYCLES),
        ("mcu m0:mtvm", "vset m0.mtvm_in, 1, 2", MTVM_CYCLES),
        ("mcu m0:mtvm", "v.mov r0, m0.mtvm_out, 2", MTVM_CYCLES),
        ("mcu m0:mvm+mtvm", "v.mov r0, m0.mvm_out, 2", MVM_CYCLES),
        ("mcu m0:mvm+mtvm", "v.mov r0, m0.mtvm_out, 2", MVM_CYCLES + MTVM_CYCLES),
        ("mcu m0:opa", "vset m0.opa_rows, 1, 2", OPA_CYCLES),
        ("mcu m0:opa", "vset m0.opa_columns, 1, 2", OPA_CYCLES),
        ("mcu m0:opa", "vset m0.mvm_in, 1, 2", 0),
        ("mcu m0:mtvm+opa", "vset m0.opa_rows, 1, 2", MTVM_CYCLES + OPA_CYCLES),
        ("crs m0", "vset m0.mvm_in, 1, 2", 0),
        ("crs m0", "mcu m0:mvm", CRS_CYCLES),
        ("mcu m0:opa", "crs m0, m1", OPA_CYCLES),
        ("mcu m0:opa", "mcu m1:opa", 0),
        ("mcu m0:opa", "mcfg m0, rows, 3", OPA_CYCLES),
        ("mcu m0:opa", "mcfg m1, rows, 3", 0),
        ("mcu m0:opa", "csrr s1, m0.requantise", OPA_CYCLES),
        ("mcu m0:opa", "csrr s1, m1.requantise", 0),
        ("mcu m0:opa", "csrr s1, cycle", 0),
        ("mcu m1:opa", "hlt", OPA_CYCLES),
        ("mcu m0:mvm, m1:mvm+opa", "hlt", MVM_CYCLES + OPA_CYCLES),
    ],
)
def test_banks_and_units_in_use_keep_an_instruction_waiting(operations, instruction, busy):
    made = core()
    made.load_memory(0, range(8))
    ran(f"nop\n{instruction}\nhlt", made, limit_instructions=2)
    alone = durations(made)[-1]
    made = core()
    made.load_memory(0, range(8))
    ran(f"{operations}\n{instruction}\nhlt", made, limit_instructions=2)
    # handed over in cycle 2, first X cycle of the second one is 3
    assert durations(made)[-1] == alone + max(2 + busy - 3, 0)


def test_operations_in_a_row_change_the_cells():
    made = filled()
    before = weights(made, 0)
    ran("vset m0.opa_rows, 3, 8\nvset m0.opa_columns, -2, 6\nmcu m0:opa\ncrs m0\nhlt", made)
    assert (weights(made, 0) == before - 6).all()
    assert (weights(made, 1) == weights(filled(), 1)).all()
    assert made.events(Event.OPERATION)[:, 2].tolist() == [Operation.OPA, Operation.CRS]


def test_arrays_that_compiled_code_does_not_know_give_the_same():
    text = """
        sset s1, 3
        vset m0.mtvm_in, -3, 6
        loop 3, end
        vset m0.mvm_in, 3, 8
        vset m1.opa_rows, -2, 8
        vset m1.opa_columns, 5, 6
        mcu m0:mvm+mtvm, m1:opa+mvm
        v.mov m0.opa_columns, m0.mvm_out, 6
        v.mov m0.opa_rows, m0.mtvm_out, 8
        mcu m0:opa
        crs m0, m1
    end:
        csrr s2, m0.crs_top
        hlt
    """
    inside, outside = ran(text, filled()), ran(text, filled(outside=True))
    assert inside.status is outside.status is Status.HALTED
    for event in Event:
        assert inside.events(event).tolist() == outside.events(event).tolist(), event
    for m in range(2):
        assert (inside.cells(m) == outside.cells(m)).all()
        assert (inside.cells(m) != filled().cells(m)).any()
        for name, key in csr_names(PARAMS).items():
            assert inside.csr(key) == outside.csr(key), name
    assert (inside.registers == outside.registers).all()


@pytest.mark.parametrize("outside", [False, True])
def test_run_stops_behind_a_units_kth_operation(outside):
    text = "loop 3, end\nmcu m0:mvm, m1:mvm+opa\ncrs m0\nnop\nend: hlt"
    made = core(outside=outside)
    for target, instructions, issued in (
        ((1, 1), 2, [1, 2]), ((1, 2), 2, [1, 2]), ((0, 2), 3, [2, 2]), ((1, 3), 5, [3, 4]),
    ):  # fmt: skip
        if target == (1, 1):
            ran(text, made, until_operation=target)
        assert made.run(until_operation=target) is Status.RUNNING
        assert made.retired == instructions
        assert [made.issued(0), made.issued(1)] == issued
    assert made.run(until_operation=(1, 99)) is Status.HALTED


# ---- faults


NOP, HLT = word("nop"), word("hlt")


def vector(mnemonic, **values):
    common = {"d": R0, "a": R0, "len": 4}
    named = {part.name for part in INSTRUCTIONS[mnemonic].fields}
    return word(mnemonic, **{name: common[name] for name in common if name in named} | values)


FAULTS = {
    "address behind the memory": ([word("jmp", target=64)], Fault.PC, 64, 2),
    "program runs off its end": ([NOP] * 64, Fault.PC, 64, 128),
    "nothing loaded": ([NOP], Fault.ILLEGAL, 1, 2),
    "unknown opcode": ([NOP, 63 << 58], Fault.ILLEGAL, 1, 2),
    "unknown function": ([word("salu.slt", sd=0, sa=0, sb=0) + (1 << 54)], Fault.ILLEGAL, 0, 0),
    "reserved bit": ([NOP | 1], Fault.ILLEGAL, 0, 0),
    "field out of range": ([vector("vi.shl", shift=0) | 16], Fault.ILLEGAL, 0, 0),
    "vector of no words": ([vector("v.mov") - (4 << 5)], Fault.ILLEGAL, 0, 0),
    "instruction of a tile": (
        [word("send", base=0, offset=0, len=1, tile=0, fifo=0)], Fault.ILLEGAL, 0, 0,
    ),
    "loop that ends before its body": ([NOP, word("loop", count=0, end=2)], Fault.LOOP_RANGE, 1, 3),
    "loop that ends behind the memory": ([word("loop", count=1, end=65)], Fault.LOOP_RANGE, 0, 1),
    "fifth loop": ([word("loop", count=1, end=9)] * 5, Fault.LOOP_DEPTH, 4, 9),
    "fifth loop that ends too early": (
        [*[word("loop", count=1, end=9)] * 4, word("loop", count=1, end=0)], Fault.LOOP_RANGE, 4, 9,
    ),
    "behind the registers": ([vector("v.mov", d=R0 + 125)], Fault.REGISTER, 0, 1),
    "source behind the registers": ([vector("v.mov", a=R0 + 125)], Fault.REGISTER, 0, 1),
    "second source": ([vector("v.add", b=R0 + 200)], Fault.REGISTER, 0, 1),
    "behind the rows": ([vector("vset", imm=0, d=M1_MVM, len=9)], Fault.REGISTER, 0, 1),
    "behind the columns": ([vector("v.mov", d=M1_MVM + 128, len=7)], Fault.REGISTER, 0, 1),
    "behind the results": ([vector("v.mov", a=OUT + 4)], Fault.REGISTER, 0, 1),
    "writes results": ([vector("v.mov", d=OUT)], Fault.REGISTER, 0, 1),
    "unit that does not exist": ([vector("v.mov", a=1024)], Fault.REGISTER, 0, 1),
    "results of no unit": ([vector("v.mov", a=OUT + 512)], Fault.REGISTER, 0, 1),
    "reduction behind the registers": ([word("vr.max", sd=1, a=R0 + 128, len=1)],
                                       Fault.REGISTER, 0, 1),
    "load behind the registers": (
        [word("ld", d=R0 + 125, base=0, offset=-1, len=4)], Fault.REGISTER, 0, 1,
    ),
    "window behind the registers": (
        [word("ld2", d=R0 + 120, base=0, offset=0, len=3, rows=3, stride=3)],
        Fault.REGISTER, 0, 1,
    ),
    "store from behind the registers": (
        [word("st", a=R0 + 125, base=0, offset=0, len=4)], Fault.REGISTER, 0, 1,
    ),
    "overlap": ([vector("v.mov", d=R0 + 3)], Fault.OVERLAP, 0, 1),
    "overlap with the second source": ([vector("v.add", b=R0, a=R0 + 8, d=R0 + 1)],
                                       Fault.OVERLAP, 0, 1),
    "overlap behind the registers": ([vector("v.mov", d=R0 + 125, a=R0 + 124)],
                                     Fault.REGISTER, 0, 1),
    "before the memory": ([word("ld", d=R0, base=0, offset=-1, len=4)], Fault.MEMORY, 0, 1),
    "behind the memory": ([word("st", a=R0, base=0, offset=253, len=4)], Fault.MEMORY, 0, 1),
    "release behind the memory": ([word("inv", base=0, offset=256, len=1)], Fault.MEMORY, 0, 1),
    "last row behind the memory": (
        [word("ld2", d=R0, base=0, offset=0, len=4, rows=2, stride=253)], Fault.MEMORY, 0, 1,
    ),
    "address past 31 bits": (
        [word("sset", sd=1, imm=2**31 - 1), word("ld", d=R0, base=1, offset=1, len=1)],
        Fault.MEMORY, 1, 3,
    ),
    "take in mid-group": ([word("ld", d=R0, base=0, offset=2, len=1, take=1)],
                          Fault.ALIGNMENT, 0, 1),
    "row in mid-group": (
        [word("ld2", d=R0, base=0, offset=4, len=1, rows=2, stride=2, take=1)],
        Fault.ALIGNMENT, 0, 1,
    ),
    "store in mid-group": ([word("st", a=R0, base=0, offset=2, len=1)], Fault.ALIGNMENT, 0, 1),
    "release in mid-group": ([word("inv", base=0, offset=1, len=1)], Fault.ALIGNMENT, 0, 1),
    "unknown unit": ([word("mcu", operations=1 << 6)], Fault.MASK, 0, 1),
    "carries of an unknown unit": ([word("crs", mcus=5)], Fault.MASK, 0, 1),
    "configuration of an unknown unit": (
        [word("mcfg", mcu=2, key=9, value=0)], Fault.MASK, 0, 1,
    ),
    "unknown key": ([word("mcfg", mcu=1, key=9, value=0)], Fault.CONFIG, 0, 1),
    "configured out of range": (
        [word("mcfg", mcu=1, key=ConfigKey.ROWS, value=9)], Fault.CONFIG, 0, 1,
    ),
    "refused once the unit is idle": (
        [word("mcu", operations=4), word("mcfg", mcu=0, key=ConfigKey.ROWS, value=9)],
        Fault.CONFIG, 1, 2 + OPA_CYCLES,
    ),
    "division by 0": ([vector("vi.div", imm=0, shift=0)], Fault.DIVISION, 0, 1),
    "division by a register": ([vector("vs.div", sb=1, shift=0)], Fault.DIVISION, 0, 1),
    "division behind the registers": (
        [vector("vs.div", sb=1, shift=0, a=R0 + 125)], Fault.REGISTER, 0, 1,
    ),
    "unknown register": ([word("csrr", sd=1, id=6)], Fault.CSR, 0, 1),
    "unknown register written": ([word("csr", id=6, value=1)], Fault.CSR, 0, 1),
    "counter of no unit": ([word("csrr", sd=1, id=1024 + 2 * 128)], Fault.CSR, 0, 1),
    "unknown counter": ([word("csrr", sd=1, id=1024 + 8)], Fault.CSR, 0, 1),
    "counter written": ([word("csr", id=1024, value=0)], Fault.CSR, 0, 1),
    "cycle written": ([word("csr", id=Csr.CYCLE, value=0)], Fault.CSR, 0, 1),
    "retired written": ([word("csr", id=Csr.RETIRED, value=0)], Fault.CSR, 0, 1),
    "rounding of no kind": ([word("csr", id=Csr.ROUNDING, value=2)], Fault.CSR, 0, 1),
    "seed 0": ([word("csr", id=Csr.SEED, value=0)], Fault.CSR, 0, 1),
    "watchdog 0": ([word("csr", id=Csr.WATCHDOG, value=0)], Fault.CSR, 0, 1),
    "watchdog": (
        [word("csr", id=Csr.WATCHDOG, value=9), word("mcu", operations=1), HLT],
        Fault.WATCHDOG, 2, 5 + 9,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FAULTS)
def test_faults(name):
    words, fault, pc, cycle = FAULTS[name]
    made = core()
    made.load_memory(0, range(256))
    before = made.memory_words.copy()
    ran(words, made)
    assert made.status is Status.FAULTED
    assert (made.fault, made.pc, made.cycle) == (fault, pc, cycle)
    assert made.retired == len(made.events(Event.RETIRE))
    assert not made.events(Event.VECTOR).size
    assert not made.registers.any()
    assert (made.memory_words == before).all()
    assert made.run() is Status.FAULTED


def test_every_fault_is_tested():
    assert {fault for _, fault, _, _ in FAULTS.values()} == set(Fault) - {Fault.NONE, Fault.PARITY}


def test_bad_parity_stops_before_anything_else_of_the_word():
    made = core()
    made.load([NOP, 63 << 58, HLT], bad_parity={1})
    made.start()
    assert made.run() is Status.FAULTED
    assert (made.fault, made.pc, made.cycle) == (Fault.PARITY, 1, 2)


@pytest.mark.parametrize(("limit", "fault"), [(MVM_CYCLES - 1, False), (MVM_CYCLES - 2, True)])
def test_watchdog_lets_an_instruction_wait_as_long_as_it_says(limit, fault):
    # handed over in 4, so idle in 4 + MVM_CYCLES; first X cycle in 5
    made = ran(f"csr watchdog, {limit}\nmcu m0:mvm\nhlt")
    assert (made.status is Status.FAULTED) == fault
    assert made.cycle == (5 + limit if fault else 4 + MVM_CYCLES)


def test_watchdog_counts_the_waits_of_an_instruction_together():
    # X waits for the bank, then the memory does not take the group
    made = ran(f"csr watchdog, {MVM_CYCLES + 5}\nmcu m0:mvm\nld m0.mvm_in, s0, 0, 4\nhlt")
    assert made.fault is Fault.WATCHDOG
    assert made.cycle == 4 + MVM_CYCLES + 1 + (MVM_CYCLES + 5 - (MVM_CYCLES - 1))
    # the next instruction has a watchdog of its own
    again = ran(f"csr watchdog, {MVM_CYCLES}\nmcu m0:mvm\nmcu m0:mvm\nhlt")
    assert again.status is Status.HALTED


# ---- control and status


def test_control_registers_are_written_and_read():
    made = ran(
        "csr rounding, 1\ncsr seed, 0xFFFFFFFF\ncsr watchdog, 77\ncsr saturated, 0x80000000\n"
        "csrr s1, rounding\ncsrr s2, seed\ncsrr s3, watchdog\ncsrr s4, saturated\nhlt"
    )
    assert made.scalars[1:5].tolist() == [1, -1, 77, -(2**31)]
    assert [made.csr(key) for key in (Csr.SEED, Csr.SATURATED)] == [2**32 - 1, 2**31]


def test_start_again_keeps_registers_and_forgets_the_run():
    made = ran("loop 3, 4\nsset s1, 5\nvset r0, 6, 4\nvi.div r0, r0, 0, 4, 0\nhlt")
    assert made.fault is Fault.DIVISION
    made.load(assemble_text("nop\nloop 2, 4\nloop 1, 4\nsadd s1, s1, 1\nhlt", PARAMS).words)
    made.start(1)
    assert (made.status, made.fault) == (Status.RUNNING, Fault.NONE)
    assert (made.cycle, made.retired, made.pc) == (0, 0, 1)
    made.run()
    assert made.status is Status.HALTED
    assert made.scalars[1] == 7
    assert made.registers[R0] == 6
    assert (made.cycle, made.retired) == (11, 6)


def test_limits_leave_whole_instructions():
    text = "loop 8, end\nvset r0, 1, 8\nend: hlt"
    made = ran(text, limit_cycles=3)
    assert (made.status, made.cycle, made.retired, made.pc) == (Status.RUNNING, 7, 2, 1)
    made.run(limit_instructions=4)
    assert (made.cycle, made.retired) == (17, 4)
    assert made.run(limit_cycles=17) is Status.RUNNING
    assert made.retired == 4
    assert made.run() is Status.HALTED
    assert made.cycle == 2 + 8 * 5 + 1


# ---- trace


def test_trace_names_everything_with_its_cycle():
    made = core()
    made.load_memory(4, [1, -2, 3, 4, 5, 6])
    ran(
        "sset s1, 4\nld r1, s1, 1, 6\nst r2, s1, 2, 3, core1 | send_unit, plain\n"
        "v.add r8, r1, r1, 5\ninv s1, 0, 5\nld r8, s0, 12, 1, take\nhlt",
        made,
    )
    assert made.fault is Fault.WATCHDOG
    program = assemble_text(
        "sset s1, 4\nld r1, s1, 1, 6\nst r2, s1, 2, 3, core1 | send_unit, plain\n"
        "v.add r8, r1, r1, 5\ninv s1, 0, 5\nhlt",
        PARAMS,
    ).words
    assert made.events(Event.RETIRE).tolist() == [
        [cycle, pc, program[pc] & 0xFFFFFFFF, program[pc] >> 32]
        for pc, cycle in enumerate((1, 7, 12, 17, 21))
    ]
    assert made.events(Event.SCALAR).tolist() == [[1, 1, 4]]

    def packed(*words):
        return sum((word & 0xFFFF) << 16 * lane for lane, word in enumerate(words))

    assert made.events(Event.VECTOR).tolist() == [
        [6, R0 + 1, 3, packed(-2, 3, 4)],
        [7, R0 + 4, 3, packed(5, 6, 0)],
        [16, R0 + 8, 4, packed(-4, 6, 8, 10)],
        [17, R0 + 12, 1, packed(12)],
    ]
    load, store, release = MemoryOp
    assert made.events(Event.REQUEST).tolist() == [
        [4, load, 1, 0b1110, 0, 0, 0, 0],
        [5, load, 2, 0b0111, 0, 0, 0, 0],
        [11, store, 1, 0b1100, 0, 1, 258, packed(0, 0, 3, 4)],
        [12, store, 2, 0b0001, 0, 1, 258, packed(5)],
        [20, release, 1, 0b1111, 0, 0, 0, 0],
        [21, release, 2, 0b0001, 0, 0, 0, 0],
    ]
    made.forget_events()
    assert not any(made.events(event).size for event in Event)


def test_trace_grows_and_changes_nothing():
    text = "loop 3000, end\nvset r0, 1, 9\nsadd s1, s1, 1\nmcu m0:opa\nend: hlt"
    traced, silent = ran(text), ran(text, core(trace=False))
    assert (traced.cycle, traced.retired) == (silent.cycle, silent.retired)
    assert len(traced.events(Event.VECTOR)) == 9000
    assert traced.events(Event.SCALAR)[:, 2].tolist() == list(range(1, 3001))
    assert len(traced.events(Event.OPERATION)) == 3000
    assert not any(silent.events(event).size for event in Event)


# ---- what a host may ask


def test_impossible_wishes_are_refused():
    made = core()
    with pytest.raises(ValueError, match="Words of a program must be an integer"):
        made.load([NOP] * 65)
    with pytest.raises(ValueError, match="Address must be"):
        made.load_memory(254, [1, 2, 3])
    with pytest.raises(ValueError, match="Control register must exist, not 6"):
        made.csr(6)
    with pytest.raises(ValueError, match="Arrays must be 2, one for each MCU, not 1"):
        Core(PARAMS, [IdealArray(MCU)])
    with pytest.raises(ValueError, match="Memory must have 256 words, not 128"):
        make_load_store(PARAMS, make_memory(128), 0)
    with pytest.raises(ValueError, match="Number of the core"):
        make_load_store(PARAMS, make_memory(PARAMS.memory_words), 8)
    with pytest.raises(ValueError, match="Memory cycles"):
        CoreParams(memory_cycles=0)


def test_wide_crossbars_have_wider_blocks():
    params = CoreParams(mcu=McuParams(rows=200, columns=8), mcus=1, registers=256)
    made = core(params=params)
    made.load([vector("vset", imm=3, d=512, len=200), vector("v.mov", a=711, len=1), HLT])
    made.start()
    assert made.run() is Status.HALTED
    assert made.registers[R0] == 3
    made.load([vector("vset", imm=3, d=512, len=201)])
    made.start()
    made.run()
    assert made.fault is Fault.REGISTER
