"""Instructions of the host at transaction level; the hardware's are in ``cocotb_tests``."""

import pytest

from models.analog.array import IdealArray
from models.system.core import Core, Status
from models.system.trace import Event
from panther.arch.core import CoreParams, Csr, Fault, csr_names
from panther.arch.params import McuParams
from panther.asm import assemble_text

PARAMS = CoreParams(
    mcu=McuParams(rows=8, columns=6), mcus=2, registers=64, instructions=64, memory_words=256
)
PROGRAM = """
        sset    s1, 5
        loop    3, end
        sadd    s1, s1, 1
        nop
end:    nop
        hlt
"""


def made(text=PROGRAM, *, kind=IdealArray):
    core = Core(PARAMS, [kind(PARAMS.mcu) for _ in range(PARAMS.mcus)], trace=True)
    core.load(assemble_text(text, PARAMS).words)
    return core


def word(text):
    return assemble_text(text, PARAMS).words[0]


class OutsideArray(IdealArray):
    """One that compiled code does not know."""


def state(core):
    status = core.pc, core.cycle, core.retired, core.fault, core.status
    return *status, [core.events(event).tolist() for event in Event]


def test_instruction_between_two_of_a_program_leaves_it_alone():
    plain, core = made(), made()
    plain.start()
    plain.run()
    core.start()
    while core.status is Status.RUNNING:
        before = state(core)
        assert core.execute(word("sadd s9, s1, 100")) == core.scalars[1] + 100
        assert core.execute(word("st r0, s0, 0, 8, plain")) == core.scalars[1] + 100
        assert state(core) == before
        core.run(limit_instructions=core.retired + 1)
    assert state(core) == state(plain)
    assert core.scalars[9] == 108
    assert core.scalars[[1, 2]].tolist() == plain.scalars[[1, 2]].tolist() == [8, 0]


@pytest.mark.parametrize("kind", [IdealArray, OutsideArray])
def test_operations_are_carried_out(kind):
    core = made(kind=kind)
    for text in (
        "vset m0.opa_rows, 3, 8", "vset m0.opa_columns, 5, 6", "mcu m0:opa",
        "vset m0.mvm_in, 1, 8", "mcu m0:mvm", "vr.sum s0, m0.mvm_out, 6",
    ):  # fmt: skip
        core.execute(word(text))
    assert core.scalar == 3 * 5 * 8 * 6
    assert core.scalars.tolist() == [0] * 32
    assert core.issued(0) == 2


def test_units_go_on_meanwhile():
    core = made("mcu m0:mvm\nhlt")
    core.execute(word("csr watchdog, 1000"))
    core.start()
    core.run(limit_instructions=1)
    # each waits for the one before, and no longer
    for _ in range(20):
        core.execute(word("mcu m0:mvm"))
    core.execute(word("csrr s0, m0.rows"))
    assert core.run() is Status.HALTED
    assert core.cycle == 3


def test_clock_of_a_core_that_stopped_has_counted_its_last_cycle():
    clock = word("csrr s0, cycle")
    core = made("nop\n.word 0")
    assert core.execute(clock) == 0
    core.start()
    core.run(limit_instructions=1)
    assert core.execute(clock) == core.cycle == 2
    core.run()
    assert core.execute(clock) == core.cycle + 1 == 3


def test_configuration_is_read():
    core = made()
    names = csr_names(PARAMS)
    reset = {"rows": 8, "columns": 6, "mvm_shift": 0, "mtvm_shift": 0, "eager": 0}
    for unit in range(2):
        for name, value in reset.items():
            number = names[f"m{unit}.{name}"]
            assert core.csr(number) == core.execute(word(f"csrr s3, m{unit}.{name}")) == value
    for name, value in zip(reset, (5, 4, 9, 13, 1), strict=True):
        core.execute(word(f"mcfg m1, {name}, {value}"))
        assert core.execute(word(f"csrr s0, m1.{name}")) == value
        assert core.execute(word(f"csrr s0, m0.{name}")) == reset[name]


def test_control_registers_are_written():
    core = made()
    core.execute(word("csr watchdog, 77"))
    assert core.csr(Csr.WATCHDOG) == 77
    core.execute(word("csr rounding, 1"))
    assert core.csr(Csr.ROUNDING) == 1


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("hlt", Fault.ILLEGAL), ("jmp 0", Fault.ILLEGAL), ("br.eq s0, s0, 0", Fault.ILLEGAL),
        ("loop 2, 5", Fault.ILLEGAL), ("loops s1, 5", Fault.ILLEGAL), (".word 0", Fault.ILLEGAL),
        ("vi.div r0, r0, 0, 4, 0", Fault.DIVISION), ("ld r0, s0, -1, 4", Fault.MEMORY),
        ("ld r0, s0, 8, 4", Fault.WATCHDOG), ("csr cycle, 1", Fault.CSR),
    ],
)  # fmt: skip
def test_faults_are_told_and_forgotten(text, fault):
    core = made()
    core.execute(word("csr watchdog, 5"))
    core.execute(word("sset s0, -3"))
    for status in (Status.HALTED, Status.RUNNING):
        before = state(core)
        with pytest.raises(ValueError, match=rf"^Instruction must be .*: {fault.name}$"):
            core.execute(word(text))
        assert (*state(core), core.scalar) == (*before, -3)
        if status is Status.HALTED:
            core.start()
    core.execute(word("csr watchdog, 100000"))
    assert core.run() is Status.HALTED


def test_word_must_have_64_bits():
    with pytest.raises(ValueError, match=r"^Word must be an integer in the range"):
        made().execute(1 << 64)
