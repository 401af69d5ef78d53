"""Planted deadlocks, races and mistakes, each reported with its place."""

import pytest

from panther.arch.core import CoreParams
from panther.arch.node import NodeParams
from panther.arch.presets import NODES
from panther.arch.tile import SEQUENCER, TileParams
from panther.asm import assemble_text, read_node_program, unit_name
from panther.check import check_core, check_node
from panther.sim import ROOT

FOLDER = ROOT / "examples" / "two_tiles"
NODE = NodeParams(tile=TileParams(cores=3, fifos=2, fifo_rows=2), width=3, height=1)


def check(texts, params=NODE, **given):
    """A report of units' texts; units are written ``0.1``, sequencers ``0.s``."""
    programs = {}
    for name, text in texts.items():
        tile, unit = name.split(".")
        key = int(tile), SEQUENCER if unit == "s" else int(unit)
        text = text.replace(" / ", "\n") + "\nhlt"
        programs[key] = assemble_text(text, params.tile.core, name=f"{unit_name(*key)}.pasm")
    return check_node(params, programs, **given)


def test_example_passes():
    params = NODES["TWO_TILES"]
    programs = read_node_program(FOLDER, params)
    given = {0: [range(6400)], 1: [range(100)]}
    report = check_node(params, programs, written=given)
    assert report.ok, report.problems[0]
    assert report.instructions == {(0, 0): 1423, (0, 8): 203, (1, 0): 2230, (1, 8): 203}
    given = {0: [range(6400)], 1: [range(96)]}
    report = check_node(params, programs, written=given)
    assert report.problems[0].unit == (1, 0)
    assert "tile1.core0.pasm:29: ld label, s4, 0, 1): load waits for word 96, which nobody" in str(
        report.problems[0]
    )


@pytest.mark.parametrize(
    ("texts", "place", "message"),
    [
        pytest.param(
            {"0.0": "nop / ld r0, s0, 108, 4, take"}, (0, 0, 1),
            "(tile 0 core 0.pasm:2: ld r0, s0, 108, 4, take): "
            "load waits for word 108, which nobody stores",
            id="missing store",
        ),
        pytest.param(
            {"0.0": "loop 2, e / st r0, s0, 0, 4, core1|core2 / e:",
             "0.1": "loop 2, e / ld r0, s0, 0, 4, take / e:"}, (0, 0, 1),
            "core 2 has to take what was stored by tile 0 core 0 pc 1 (tile 0 core 0.pasm:2: "
            "st r0, s0, 0, 4, core1|core2); core 2 never takes it",
            id="too many readers",
        ),
        pytest.param(
            {"0.0": "st r0, s0, 0, 4, core2", "0.1": "ld r0, s0, 0, 4, take"}, (0, 1, 0),
            "stored by tile 0 core 0 pc 0 (tile 0 core 0.pasm:1: st r0, s0, 0, 4, core2) and not, "
            "or no longer, meant for core 1, which nobody stores",
            id="wrong reader",
        ),
        pytest.param(
            {"0.0": "sset s1, 1 / ld r0, s0, 0, 4, take / st r0, s0, 4, 4, core1",
             "0.1": "ld r0, s0, 4, 4, take / st r0, s0, 0, 4, core0"}, (0, 0, 1),
            "load waits for word 0; tile 0 core 1 pc 1 (tile 0 core 1.pasm:2: "
            "st r0, s0, 0, 4, core0) would store, but waits, too",
            id="take order",
        ),
        pytest.param(
            {"0.0": "vset r0, 1, 48 / st r0, s0, 0, 48, send_unit", "0.s": "send s0, 0, 48, 1, 1"},
            (0, 8, 0), "waits for room in queue 1 of tile 1, which nobody receives from",
            id="send of more than a queue holds",
        ),
        pytest.param(
            {"0.s": "recv s0, 0, 4, 1"}, (0, 8, 0),
            "tile 0 receive unit pc 0 (tile 0 sequencer.pasm:1: recv s0, 0, 4, 1): "
            "recv waits for a message in queue 1, to which nobody sends",
            id="recv without send",
        ),
        pytest.param(
            {"0.0": "ld r0, s0, 4, 4 / st r0, s0, 4, 4, core0"}, (0, 0, 1),
            "word 4 to become free: it was stored by the host for nobody, which nobody releases",
            id="store to words of the host",
        ),
    ],
)  # fmt: skip
def test_deadlock(texts, place, message):
    report = check(texts, written={0: [range(4, 8)]} if "host" in message else {})
    first = report.problems[0]
    assert (*first.unit, first.pc) == place
    assert first.kind == "deadlock"
    assert message in first.text


def test_circle_is_named():
    report = check(
        {"0.0": "ld r0, s0, 0, 4, take / st r0, s0, 4, 4, core1",
         "0.1": "ld r0, s0, 4, 4, take / st r0, s0, 8, 4, core2",
         "0.2": "ld r0, s0, 8, 4, take / st r0, s0, 0, 4, core0"}
    )  # fmt: skip
    assert sorted(report.circle) == ["tile 0 core 0", "tile 0 core 1", "tile 0 core 2"]
    assert len(report.problems) == 3


@pytest.mark.parametrize(
    ("texts", "place", "other"),
    [
        pytest.param(
            {"0.0": "st r0, s0, 5, 1, plain", "0.1": "nop / ld r0, s0, 4, 4"},
            (0, 1, 1), "tile 0 core 0 pc 0", id="plain store and load",
        ),
        pytest.param(
            {"0.0": "ld r0, s0, 4, 4", "0.1": "st r0, s0, 6, 1, plain"},
            (0, 1, 0), "tile 0 core 0 pc 0", id="host word overwritten",
        ),
        pytest.param(
            {"0.0": "st r0, s0, 8, 4, core1", "0.1": "ld r0, s0, 8, 4, take",
             "0.2": "ld r0, s0, 8, 4"},
            (0, 2, 0), "tile 0 core 1 pc 0", id="load of what is being taken",
        ),
        pytest.param(
            {"0.0": "ld r0, s0, 4, 4 / st r0, s0, 16, 4, core1",
             "0.1": "inv s0, 4, 4 / ld r0, s0, 16, 4, take"},
            (0, 1, 0), "tile 0 core 0 pc 0", id="release of what is loaded",
        ),
        pytest.param(
            {"0.0": "st r0, s0, 8, 4, core1", "0.2": "st r0, s0, 8, 4, core1",
             "0.1": "loop 2, e / ld r0, s0, 8, 4, take / e:"},
            (0, 2, 0), "tile 0 core 0 pc 0", id="two writers",
        ),
        pytest.param(
            {"0.0": "st r0, s0, 8, 4, core1 / st r0, s0, 8, 4, core1",
             "0.1": "ld r0, s0, 8, 4, take", "0.2": "ld r0, s0, 8, 4"},
            (0, 2, 0), "tile 0 core 1 pc 0", id="load of the words before or after",
        ),
        pytest.param(
            {"0.0": "st r0, s0, 8, 4, core1 / inv s0, 8, 4 / st r0, s0, 8, 4, core1",
             "0.1": "ld r0, s0, 8, 4, take"},
            (0, 1, 0), "tile 0 core 0 pc 1", id="take before or after a release",
        ),
        pytest.param(
            {"0.0": "st r0, s0, 8, 16, core1 / st r0, s0, 12, 4, plain",
             "0.1": "ld r0, s0, 8, 4, take / inv s0, 20, 4"},
            (0, 1, 1), "tile 0 core 0 pc 0", id="release of a later group of a store",
        ),
    ],
)  # fmt: skip
def test_race(texts, place, other):
    report = check(texts, written={0: [range(4, 8)]})
    races = [problem for problem in report.problems if problem.kind == "race"]
    assert any((*race.unit, race.pc) == place and other in race.text for race in races), report


@pytest.mark.parametrize(
    "texts",
    [
        # broadcast: a plain store makes words valid once, everybody loads
        {"0.0": "st r0, s0, 8, 6, plain", "0.1": "ld r0, s0, 8, 6", "0.2": "ld r0, s0, 9, 2"},
        # a store after the load, with a message in between
        {"0.0": "ld r0, s0, 4, 4 / st r0, s0, 16, 4, core1",
         "0.1": "ld r0, s0, 16, 4, take / st r0, s0, 4, 4, plain"},
        # a store that has waited for whoever loaded
        {"0.0": "loop 2, e / st r0, s0, 8, 4, core1 / e: inv s0, 4, 4",
         "0.1": "ld r0, s0, 4, 4 / ld r0, s0, 8, 4, take"},
        # different words of one group that is valid already
        {"0.0": "st r0, s0, 4, 1, plain", "0.1": "st r0, s0, 5, 2, plain"},
        # an order that goes over two tiles
        {"0.0": "ld r0, s0, 4, 4 / st r0, s0, 64, 40, send_unit", "0.s":
         "send s0, 64, 40, 1, 0 / recv s0, 128, 8, 0, core1", "1.s":
         "recv s0, 64, 40, 0, core0 / send s0, 0, 8, 0, 0", "1.0":
         "ld r0, s0, 64, 40, take / st r0, s0, 0, 8, send_unit", "0.1":
         "ld r0, s0, 128, 8, take / inv s0, 4, 4"},
    ],
)  # fmt: skip
def test_ordered_accesses_are_no_race(texts):
    report = check(texts, written={0: [range(4, 8)]})
    assert report.ok, report.problems[0]


@pytest.mark.parametrize(
    ("texts", "kind", "message"),
    [
        ({"0.s": ".word 1"}, "fault", "pc 0 (tile 0 sequencer.pasm:1: .word 1): is no instruction"),
        ({"0.0": "sset s1, 32767 / ld r0, s1, 0, 4"}, "fault", "words 32767 to 32770"),
        ({"0.0": "sset s1, -1 / st r0, s1, 0, 4, plain"}, "fault", "words -1 to 2"),
        ({"0.0": "st r0, s0, 2, 4, core0"}, "fault", "a group of four, not at 2"),
        ({"0.0": "jmp 5"}, "fault", "runs past its end"),
        ({"0.0": "loop 1, 9 / " * 5 + "nop / nop / nop / nop"},
         "fault", "pc 4 (tile 0 core 0.pasm:5: loop 1, 9): more than 4 loops"),
        ({"0.0": "ld r0, s0, 4, 1 / vr.sum s1, r0, 1 / br.eq s1, s0, 3"}, "data-dependent",
         "pc 2 (tile 0 core 0.pasm:3: br.eq s1, s0, 3): control must not depend on data"),
        ({"0.0": "ld r0, s0, 4, 1 / vr.max s3, r0, 1 / ld r0, s3, 0, 1"}, "data-dependent",
         "the address in s3 depends on data"),
        ({"0.0": "csrr s3, cycle / loops s3, 3 / nop"}, "data-dependent", "the count in s3"),
        ({"0.0": "again: jmp again"}, "limit", "tile 0 core 0: not at its end after"),
        ({"0.0": "st r0, s0, 64, 16, send_unit", "0.s": "send s0, 64, 16, 1, 0"}, "fault",
         "tile 1 never receives from queue 0"),
        ({"0.0": "st r0, s0, 64, 16, send_unit", "0.s": "send s0, 64, 16, 1, 0",
          "1.s": "recv s0, 0, 17, 0"}, "fault", "receives 17 words, but the message of tile 0"),
        ({"0.0": "st r0, s0, 64, 4, send_unit", "0.s": "send s0, 64, 4, 1, 0",
          "2.0": "st r0, s0, 64, 4, send_unit", "2.s": "send s0, 64, 4, 1, 0",
          "1.s": "recv s0, 0, 4, 0 / recv s0, 8, 4, 0"}, "fault", "must have one sender"),
    ],
)  # fmt: skip
def test_other_problem(texts, kind, message):
    report = check(texts, written={0: [range(4, 8)]}, limit=5000)
    assert report.problems[0].kind == kind
    assert message in report.problems[0].text


def test_parameters_of_the_host_decide():
    text = "ld r0, s0, 0, 4 / vr.sum s1, r1, 1 / vr.max s2, r0, 4 / loops s1, e / sadd s3, s3, 4"
    text += " / st r9, s3, 60, 4, core0 / e: salu.sub s4, s2, s1 / br.eq s4, s0, 9 / jmp 100"
    report = check({"0.0": text}, memory={0: [(0, [-5, 7, 3, 7])]})
    assert report.ok, report.problems[0]
    assert report.instructions[0, 0] == 4 + 2 * 7 + 3
    # a value that is stored over is not known any more
    over = "st r0, s0, 1, 1, plain / " + text.replace("br.eq s4, s0, 9", "br.eq s4, s0, 10")
    report = check({"0.0": over}, memory={0: [(0, [-5, 7, 3, 7])]})
    assert [problem.kind for problem in report.problems] == ["data-dependent"]


def test_one_core():
    program = assemble_text("st r0, s0, 0, 4, core0\nld r0, s0, 0, 4, take\nhlt", CoreParams())
    assert check_core(CoreParams(), program).ok
    assert check_core(CoreParams(), program.words).ok
    assert not check_core(CoreParams(), program, written=[range(1)]).ok


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"units": [(0, 1)]}, "Units must have programs, not tile 0 core 1"),
        ({"written": {0: [range(40000)]}}, "must be a range within 32768 words"),
        ({"written": {3: [range(4)]}}, "Tile must be"),
        ({"memory": {0: [(32767, [1, 2])]}}, "Address must be"),
        ({"memory": {0: [(0, [40000])]}}, "Word must be"),
        ({"limit": 0}, "Limit must be"),
    ],
)
def test_nonsense_is_refused(given, message):
    with pytest.raises(ValueError, match=message):
        check({"0.0": "nop"}, **given)


def test_command(panther, rejected):
    arguments = ["check", FOLDER, "--written", "0=0:6400"]
    status, out, err = panther(*arguments, "--written", "1=0:100")
    assert (status, err) == (0, "")
    assert "no deadlock and no race in 4,059 instructions of 4 programs" in out
    status, out, _ = panther(*arguments)
    assert status == 1
    assert "load waits for word 0, which nobody stores" in out.splitlines()[0]
    assert "Words written must be TILE=FIRST:END" in rejected(*arguments, "--written", "1")
    assert "Node must be one of" in rejected(*arguments, "--node", "NONE")
    assert panther("check", ROOT / "docs")[0] == 2
