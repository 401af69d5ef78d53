"""The node at transaction level against docs/node.md: values, cycles, faults, training."""

from dataclasses import replace

import numpy as np
import pytest

from cocotb_tests.two_tiles import TwoTiles, unequal_cells
from models.system.node import Node
from panther.arch.core import GENERAL_BASE, Fault
from panther.arch.node import NodeParams
from panther.arch.presets import NODES
from panther.arch.tile import SEQUENCER, TileFault, TileWait
from panther.asm import assemble_text

SMALL = replace(NODES["SMALL"], width=2, height=2)
SEND = 1 << 8
"""The send unit among a group's readers."""


def node(programs, params=SMALL, **keywords):
    """A node with programs by tile and unit, started but not run."""
    made = Node(params, **keywords)
    for (tile, unit), text in programs.items():
        made.load(tile, unit, assemble_text(text, params.tile.core).words)
    made.start(dict.fromkeys(programs, 0))
    return made


def give(made, tile, address, words, readers):
    """Words in a tile's memory, for readers to take."""
    made.load_memory(tile, address, words)
    groups = slice(address // 4, (address + len(words) + 3) // 4)
    made.memory(tile).readers[groups] = readers


def registers(made, tile, core, count):
    return made.core(tile, core).registers[GENERAL_BASE : GENERAL_BASE + count].copy()


# ---- training


@pytest.mark.parametrize("run", [TwoTiles(steps=1), TwoTiles(steps=17, crs_period=3), TwoTiles()])
def test_two_tiles_train_as_golden_does(run):
    made = run.twin(trace=False)
    made.start(run.starts())
    assert made.run()
    assert [made.status(*unit).fault for unit in run.starts()] == [0] * 4
    assert unequal_cells([core.arrays[0] for core in made.cores], run.train()) == 0
    sent = 2 * run.steps  # rows of a message
    assert [made.counters(tile)["sent"] for tile in range(2)] == [sent, sent]


def test_untrained_cells_are_not_golden():
    run = TwoTiles(steps=1)
    assert unequal_cells(run.arrays(), run.train()) > 100


# ---- messages


RING = {
    (tile, unit): text
    for tile in range(4)
    for unit, text in {
        SEQUENCER: f"""
            loop 3, end
            send s0, 0, 40, {(tile + 1) % 4}, {tile}
            recv s0, 64, 40, {(tile - 1) % 4}, core0|core1
            end: hlt""",
        0: f"""
            loop 3, end
            vset r0, {tile} + 1, 40
            st r0, s0, 0, 40, send_unit
            mcu m0:mvm
            ld r40, s0, 64, 40, take
            v.add r80, r80, r40, 40
            end: hlt""",
        1: """
            loop 3, end
            ld r0, s0, 64, 40, take
            v.add r40, r40, r0, 40
            end: hlt""",
    }.items()
}


def test_words_go_round():
    made = node(RING)
    assert made.run()
    for tile in range(4):
        before = (tile - 1) % 4
        assert (registers(made, tile, 0, 120)[80:] == 3 * (before + 1)).all()
        assert (registers(made, tile, 1, 80)[40:] == 3 * (before + 1)).all()
    assert not made.memory(0).valid.any()


def everything(made):
    """All there is to see of a node."""
    units = range(made.params.tile.cores)
    return (
        [made.status(t, u) for t in range(4) for u in (*units, SEQUENCER) if u != SEQUENCER],
        [made.counters(tile) for tile in range(4)],
        [made.router_counters(tile) for tile in range(4)],
        [core.registers.tobytes() for core in made.cores],
        [made.memory(tile).groups.tobytes() for tile in range(4)],
    )


@pytest.mark.parametrize("step", [1, 7])
def test_cycles_left_out_make_no_difference(step):
    whole, pieces = node(RING), node(RING)
    assert whole.run()
    for _ in range(whole.clock):
        if pieces.run(limit_cycles=step):
            break
    assert everything(pieces) == everything(whole)


@pytest.mark.parametrize("rows", [1, 2, 9, 40])
@pytest.mark.parametrize("tile", [1, 3])
def test_message_takes_as_long_as_the_network_needs(rows, tile):
    tile_params = replace(SMALL.tile, fifo_rows=32)
    params = replace(SMALL, tile=tile_params, width=4, height=1)
    words = 16 * min(rows, 16)
    programs = {(0, SEQUENCER): f"send s0, 0, {words}, {tile}, 1\nhlt"}
    programs[tile, SEQUENCER] = f"recv s0, 512, {words}, 1\nhlt"
    made = node(programs, params)
    give(made, 0, 0, np.arange(words), SEND)
    last = 512 // 4 + words // 4 - 1
    while not made.memory(tile).valid[last]:
        made.run(limit_cycles=1)
    # the X cycle of send is cycle 1
    sent_in = made.clock - 1 - 1
    assert sent_in == words // 16 + params.hops(0, tile) + tile_params.core.memory_cycles + 5
    made.run()
    assert made.memory(tile).groups.view(np.int16)[512 : 512 + words].tolist() == [*range(words)]


# ---- hold and step


UNITS = [(tile, unit) for tile in range(4) for unit in (0, 1, SEQUENCER)]


@pytest.mark.parametrize("seed", range(4))
def test_holding_units_changes_no_value(seed):
    free, held = node(RING), node(RING)
    assert free.run()
    rng = np.random.default_rng(seed)
    for _ in range(3000):
        held.hold(unit for unit in UNITS if rng.random() < 0.5)
        held.step(unit for unit in UNITS if rng.random() < 0.5)
        if held.run(limit_cycles=int(rng.integers(1, 40))):
            break
    held.hold(())
    assert held.run()
    assert everything(held)[3:] == everything(free)[3:]
    for mine, other in zip(held.cores, free.cores, strict=True):
        assert (mine.retired, mine.status) == (other.retired, other.status)


def test_units_are_held_before_they_begin_and_step_by_step():
    text = "nop\nloop 3, e\nsadd s1, s1, 1\ne: mcu m0:mvm\nv.mov r0, m0.mvm_out, 4\nhlt"
    made = node({(0, 0): text, (0, SEQUENCER): "loop 2, e\nsadd s1, s1, 5\ne: hlt"})
    units = [(0, 0), (0, SEQUENCER)]
    made.hold(units)
    seen, seen_of_sequencer = [], []
    for _ in range(12):
        assert not made.run(limit_cycles=5000)
        sequencer = made.status(0, SEQUENCER)
        assert made.status(0, 0).held
        assert not made.status(0, 0).running
        assert not sequencer.running
        seen.append((made.core(0, 0).pc, int(made.core(0, 0).scalars[1])))
        seen_of_sequencer.append((int(made.scalars(0)[1]), sequencer.held))
        if made.core(0, 0).pc == 5:
            break
        made.step(units)
    assert seen == [(0, 0), (1, 0), (2, 0), (2, 1), (2, 2), (3, 3), (4, 3), (5, 3)]
    held = [(0, True), (0, True), (5, True), (10, True)]
    assert seen_of_sequencer == [*held, *4 * [(10, False)]]
    assert made.scalars(0)[1] == 10
    made.step(units)
    made.run()
    assert not made.status(0, 0).held
    assert made.status(0, 0).fault is Fault.NONE
    # without being held it would have waited for the unit
    assert made.counters(0)["core0.wait_matrix"] == 0


# ---- faults


@pytest.mark.parametrize(
    ("text", "fault", "pc"),
    [
        ("nop\nsend s0, 0, 4, 4, 0", TileFault.DESTINATION, 1),
        ("send s0, 0, 4, 0, 4", TileFault.DESTINATION, 0),
        ("recv s0, 0, 4, 9", TileFault.DESTINATION, 0),
        ("recv s0, 1020, 8, 0", TileFault.MEMORY, 0),
        ("sset s1, -4\nsend s1, 0, 4, 0, 0", TileFault.MEMORY, 1),
        ("recv s0, 2, 4, 0", TileFault.ALIGNMENT, 0),
        ("recv s0, 1022, 4, 9", TileFault.MEMORY, 0),
        ("csrr s1, seed", TileFault.CSR, 0),
        ("csr cycle, 3", TileFault.CSR, 0),
        ("vset r0, 1, 4", TileFault.ILLEGAL, 0),
        ("nop", TileFault.ILLEGAL, 1),
        ("loop 2, e\n" * 5 + "nop\ne: hlt", TileFault.LOOP_DEPTH, 4),
    ],
)
def test_sequencer_stops(text, fault, pc):
    made = node({(1, SEQUENCER): text})
    assert made.run()
    status = made.status(1, SEQUENCER)
    late = fault is not TileFault.ILLEGAL
    assert (status.fault, status.pc, status.cycle) == (fault, pc, 2 * pc + late)
    assert not status.running


def test_receiver_waits_as_long_as_the_watchdog_lets_it():
    made = node({(0, SEQUENCER): "csr watchdog, 10\nrecv s0, 0, 16, 0\nhlt"})
    assert made.run()
    status = made.status(0, SEQUENCER)
    # recv has its X in cycle 3; hlt waits for it, and has no watchdog of its own
    assert (status.fault, status.pc) == (TileFault.WATCHDOG, 1)
    assert status.cycle == 4 + 10


def test_sender_to_a_tile_that_never_receives_stops():
    rows = SMALL.tile.fifo_rows
    words = 16 * (rows + 1)
    made = node(
        {
            (0, SEQUENCER): f"csr watchdog, 50\nsend s0, 0, {words}, 1, 2\nhlt",
            (1, 0): "sset s1, 7\nhlt",
            (2, SEQUENCER): "send s0, 0, 16, 3, 0\nhlt",
            (3, SEQUENCER): "recv s0, 0, 16, 0\nhlt",
        }
    )
    give(made, 0, 0, np.arange(words), SEND)
    give(made, 2, 0, np.arange(16), SEND)
    assert made.run()
    status = made.status(0, SEQUENCER)
    assert (status.fault, status.pc) == (TileFault.WATCHDOG, 1)
    assert made.counters(0)["sent"] == rows
    # nobody else has noticed, and all can be read
    assert made.status(3, SEQUENCER).fault is TileFault.NONE
    assert made.memory(3).groups.view(np.int16)[:16].tolist() == [*range(16)]
    assert made.core(1, 0).scalars[1] == 7


def test_message_of_another_length_stops_the_receiver():
    for sent, wanted in ((32, 16), (16, 32)):
        made = node(
            {
                (0, SEQUENCER): f"send s0, 0, {sent}, 1, 0\nhlt",
                (1, SEQUENCER): f"nop\nrecv s0, 0, {wanted}, 0\nhlt",
            }
        )
        give(made, 0, 0, np.arange(sent), SEND)
        assert made.run()
        assert made.status(1, SEQUENCER)[1:3] == (TileFault.MESSAGE, 1)
        assert not made.memory(1).valid.any()


def test_two_senders_to_one_queue_stop_the_receiver():
    send = "send s0, 0, 16, 1, 0\nhlt"
    wait = "loop 40, e\nnop\ne: "
    made = node(
        {(0, SEQUENCER): send, (2, SEQUENCER): wait + send, (1, SEQUENCER): "recv s0,0,16,0\nhlt"}
    )
    for tile in (0, 2):
        give(made, tile, 0, np.arange(16) + tile, SEND)
    assert made.run()
    assert made.status(1, SEQUENCER).fault is TileFault.SENDER
    assert made.memory(1).groups.view(np.int16)[:16].tolist() == [*range(16)]


def test_core_that_waits_for_a_word_says_so_while_others_go_on():
    made = node(
        {
            (0, 0): "csr watchdog, 20\nnop\nld r0, s0, 100, 4, take\nhlt",
            (0, 1): "sset s2, 500\nloops s2, e\nvi.add r0, r0, 1, 8\ne: hlt",
        }
    )
    assert not made.run(limit_cycles=15)
    assert made.status(0, 0)[4:6] == (TileWait.LOAD, 25)
    assert made.run()
    status = made.status(0, 0)
    assert (status.fault, status.pc, status.wait) == (Fault.WATCHDOG, 2, TileWait.LOAD)
    assert status.group == 25
    # D in 4, X in 5, offered from 6 on
    assert status.cycle == 6 + 20
    assert made.counters(0)["core0.wait_memory"] == 21
    assert registers(made, 0, 1, 8).tolist() == [500] * 8


# ---- the shared memory


@pytest.mark.parametrize("cores", [1, 2, 3, 4, 8])
def test_memory_serves_a_row_a_cycle(cores):
    tile = replace(SMALL.tile, cores=cores)
    params = NodeParams(tile=tile, width=1, height=1)
    text = "loop 10, e\nld r0, s0, 0, 256\nld r0, s0, 256, 256\ne: hlt"
    made = node({(0, core): text for core in range(cores)}, params)
    made.load_memory(0, 0, np.arange(512))
    assert made.run()
    taken = made.counters(0)["accesses"]
    assert taken == cores * 10 * 2 * 64
    # an instruction needs memory_cycles + 2 cycles beside those of its 64 groups
    alone = 20 * (64 + tile.core.memory_cycles + 2)
    if cores <= 3:
        assert made.clock <= alone * 1.05
    else:
        assert made.clock <= 1.02 * taken / 4 + 2 * alone / 20
    assert (registers(made, 0, cores - 1, 256) == np.arange(256, 512)).all()


def test_a_start_begins_when_what_was_going_on_has_ended():
    made = node({(0, 0): "mcu m0:mvm\nld r0, s0, 2000, 4"})
    made.run()
    first = made.status(0, 0)
    assert first.fault is Fault.MEMORY
    made.load(0, 0, assemble_text("nop\nhlt", SMALL.tile.core).words)
    made.start({(0, 0): 0})
    assert made.run()
    assert made.clock > int(made.core(0, 0).machine.mcus.busy[0])
    assert made.core(0, 0).cycle == 3


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda made: made.core(4, 0), "Tile must be an integer"),
        (lambda made: made.core(0, 2), "Core must be an integer"),
        (lambda made: made.start({(0, 0): 1 << 13}), "Address must be an integer"),
        (lambda made: made.load(0, SEQUENCER, [0] * 1000), "Words of a program must be"),
        (lambda made: Node(SMALL, []), "Arrays must be 24"),
    ],
)
def test_nonsense_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call(Node(SMALL))
