"""Program pairs on the twin, and the reader of what is expected of them."""

import pytest

from cocotb_tests.expectations import (
    CORE,
    ExpectationError,
    Outcome,
    outcome_of,
    pair_names,
    parse_expectations,
    read_pair,
)
from models.analog.array import IdealArray
from models.system.core import Core
from models.system.trace import Event
from panther.arch.core import Fault
from panther.arch.isa import CORE_INSTRUCTIONS, decode
from panther.arch.presets import core_preset

PARAMS = core_preset(CORE)
NAMES = pair_names()
LIMIT = 100_000


def ran(name):
    """The pair, and a core that has run it."""
    pair = read_pair(name, PARAMS)
    core = Core(PARAMS, [IdealArray(PARAMS.mcu) for _ in range(PARAMS.mcus)], trace=True)
    pair.expectations.given.apply(core, pair.program.words)
    core.start()
    core.run(limit_cycles=LIMIT)
    return pair, core


@pytest.mark.parametrize("name", NAMES)
def test_program_does_what_is_expected(name):
    pair, core = ran(name)
    mismatches = pair.expectations.mismatches(outcome_of(core))
    assert not mismatches, "\n".join(mismatches)


def test_all_instructions_retire_and_all_faults_occur():
    retired, faults = set(), set()
    for name in NAMES:
        _, core = ran(name)
        for _, _, low, high in core.events(Event.RETIRE).tolist():
            retired.add(decode(low | high << 32)[0].mnemonic)
        faults.add(core.fault)
    assert retired == set(CORE_INSTRUCTIONS)
    assert faults == set(Fault)


@pytest.mark.parametrize("name", NAMES)
def test_every_line_can_fail(name):
    pair, core = ran(name)
    right = outcome_of(core)
    wrong = Outcome(
        fault=right.fault, running=right.running, pc=right.pc, cycle=right.cycle + 1,
        retired=right.retired + 1, scalars=right.scalars + 1, registers=right.registers ^ 1,
        memory=right.memory ^ 1, valid=~right.valid, readers=right.readers ^ 1,
        cells=[cells ^ 1 for cells in right.cells],
    )  # fmt: skip
    expected = pair.expectations.expected
    assert len(pair.expectations.mismatches(wrong)) == len(expected)


def test_value_that_is_wrong():
    expectations = parse_expectations(
        "stop = halted in cycle 31\nr0 = 4 5 6 7 8 9\nr16 = 0 4 5 6 7 7\nstate 16 = valid\n"
        "memory 32 = 1 2 3 4\nstate 32 = core0 core2",
        "load_store.exp", PARAMS,
    )  # fmt: skip
    _, core = ran("load_store")
    assert expectations.mismatches(outcome_of(core)) == [
        "load_store.exp:1: stop must be halted in cycle 31, not halted in cycle 32",
        "load_store.exp:3: r16 must be 0 4 5 6 7 7, not 0 4 5 6 7 8",
        "load_store.exp:4: state 16 must be valid, not free",
        "load_store.exp:6: state 32 must be core0 core2, not valid",
    ]


def test_an_outcome_can_be_kept(tmp_path):
    pair, core = ran("masks")
    outcome_of(core).save(tmp_path / "outcome.npz")
    outcome = Outcome.load(tmp_path / "outcome.npz")
    assert pair.expectations.mismatches(outcome) == []
    assert outcome.stop == "halted in cycle 1014"


# ---- the reader


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (
            "nonsense = 1",
            "Line must be one of those cocotb_tests/expectations.py names, not 'nonsense'",
        ),
        ("halted", "Line must have the form `what = value`, not 'halted'"),
        ("retired = 1", "retired must be there once, but is in line 2, too"),
        ("s1 = x", "Value must be an integer, not 'x'"),
        ("s1 = 1 2", "Value must be an integer, not '1 2'"),
        ("s32 = 1", "Scalar register must lie below 32, not 32"),
        ("r0 =", "Values must not be left out"),
        ("r0 = 40000", "Value must be in the range [-32768, 32767], not 40000"),
        ("r0 = 1*0", "Repetition must be in the range [1, 32768], not 0"),
        ("r256 = 1", "Vector must begin at a register or a bank, not 'r256'"),
        ("m3.mvm_in = 1", "Vector must begin at a register or a bank, not 'm3.mvm_in'"),
        ("r255 = 1 2", "Vector must end in its bank, not 1 words behind it"),
        ("m0.mvm_in + 10 = 0*7", "Vector must end in its bank, not 1 words behind it"),
        ("memory 1023 = 1 2", "Words must lie below 1024, not 1023 to 1024"),
        ("state 2 = free", "Group must begin at a multiple of 4, not 2"),
        ("state 0 = me", "Reader must be one of free, valid, core0, ..., send_unit, not 'me'"),
        ("m3.weights 0 0 = 1", "Matrix unit must lie below 3, not 3"),
        ("m0.weights 16 0 = 1", "Row must lie below 16, not 16"),
        ("m0.weights 0 15 = 1 2", "Columns must lie below 16, not 15 to 16"),
        ("m0.cells 8 0 0 = 1", "Slice must lie below 8, not 8"),
        ("given m0.cells 0 0 0 = 16", "Value must be in the range [-16, 15], not 16"),
        (
            "given m0.weights 0 0 = -3000000000",
            (
                "Weights must be in the range [-2290649224, 2004318071] of slicing 44466555, "
                "not -3000000000"
            ),
        ),
        ("given parity = 1024", "Value must be in the range [0, 1023], not 1024"),
        ("given core = PAPER", "Core must be PAPER, not SMALL"),
        ("given readers 0 = core0 2", "Reader must be one of core0, ..., send_unit, not '2'"),
    ],
)  # fmt: skip
def test_line_that_is_wrong(line, message):
    with pytest.raises(ExpectationError) as error:
        parse_expectations(f"stop = halted in cycle 1\nretired = 1 ; well\n\n{line}", "x", PARAMS)
    assert str(error.value) == f"x:4: {message}"


@pytest.mark.parametrize("stop", ["halted", "at pc 3", "DIVIDE at pc 3 in cycle 4"])
def test_stop_that_is_none(stop):
    with pytest.raises(ExpectationError, match=r"^x:1: Stop must be `halted in cycle N` or "):
        parse_expectations(f"stop = {stop}", "x", PARAMS)


def test_all_mistakes_are_reported():
    with pytest.raises(ExpectationError) as error:
        parse_expectations("s1 = x\ns2 = 1\ns2 = 2", "x", PARAMS)
    assert str(error.value).splitlines() == [
        "x:1: Value must be an integer, not 'x'",
        "x:3: s2 must be there once, but is in line 2, too",
        "x: must say how the program stops",
    ]


def test_what_is_alone(tmp_path):
    for name in ("both.pasm", "both.exp"):
        (tmp_path / name).touch()
    assert pair_names(tmp_path) == ["both"]
    for name in ("a.pasm", "b.exp", "c.txt"):
        (tmp_path / name).touch()
    with pytest.raises(ExpectationError) as error:
        pair_names(tmp_path)
    folder = tmp_path.name
    assert str(error.value).splitlines() == [
        f"{folder}/a: must come with a.exp",
        f"{folder}/b: must come with b.pasm",
        f"{folder}/c.txt: must be a .pasm or an .exp",
    ]
