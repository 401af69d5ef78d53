"""The reference's machine, cycle by cycle, on programs small enough to follow by hand."""

import shutil
from pathlib import Path

import pytest

from panther.puma import Blocked, PumaError, read_program
from panther.puma.reference import Quirks, run_machine
from panther.puma.reference.cores import Latencies

DATA = Path(__file__).parents[2] / "data" / "puma"
PANTHER = Latencies(mvm=1800, opa=80)
SET = "set(d1=1536, imm=32, vec=1)"
STORE = "store(d1=1536, r1=1600, counter=1, store_width=16, vec=1)"
LOAD = "load(d1=1600, r1=1536, load_width=16, vec=1)"
SEND = "send(mem_addr=0, vtile_id=0, send_width=16, target_addr=1, vec=1)"
RECEIVE = "receive(mem_addr=0, vtile_id=0, receive_width=16, counter=1, vec=1)"


def _program(folder, units):
    """A program; of units by tile and core, None for the tile's own, those that say something."""
    tiles = 1 + max(tile for tile, _ in units)
    cores = 1 + max(core or 0 for _, core in units)
    for tile in range(tiles):
        for core in (None, *range(cores)):
            lines = [*units.get((tile, core), []), "halt()" if core is None else "hlt()"]
            name = f"p-tile{tile}" if core is None else f"p-tile{tile}-core{core}"
            (folder / f"{name}.puma").write_text("\n".join(lines))
    return read_program(folder)


def _cycles_of_core(folder, *lines, quirks=None):
    return run_machine(_program(folder, {(0, 0): lines}), PANTHER, quirks).core_cycles[0, 0]


def test_a_load_that_waits_asks_again_every_two_cycles(tmp_path):
    program = _program(tmp_path, {(0, 0): [SET, STORE], (0, 1): [SET, LOAD]})
    run = run_machine(program, PANTHER)
    # asked in cycle 3, refused; the store asks in 4, is served in 5, and goes on 2 cycles later;
    # the load is served in 7 and its core goes on in 10
    assert run.core_cycles == {(0, 0): 8, (0, 1): 11}
    assert run.tile_cycles == {0: 12}
    assert run.cycles == 12
    counts = run.counts[0]
    assert counts["tile_memory_controller.access"] == 3
    assert counts["counter_buffer.access"] == 2
    assert counts["tile_memory.access"] == counts["tile_bus.access"] == 3
    # two addresses written and read, a row read and written
    assert counts["core_memory.access"] == 4 + 32
    assert counts["instruction_memory.fetch"] == 4 + 4


def test_a_store_that_is_refused_does_not_access_the_memory(tmp_path):
    load = [SET, *["set(d1=1700, imm=0, vec=40)"], LOAD]
    program = _program(tmp_path, {(0, 0): [SET, STORE, STORE], (0, 1): load})
    counts = run_machine(program, PANTHER).counts[0]
    # asks from 7 on; the load asks in 43 and is served; in 45 the second store is
    assert counts["tile_memory.access"] == 3
    assert counts["counter_buffer.access"] == 3
    assert counts["tile_memory_controller.access"] == 3 + (43 - 7) // 2


def test_loads_look_at_a_rows_first_word_and_sends_at_all(tmp_path):
    halves = [
        line
        for first in (0, 8)
        for line in (
            SET.replace("32", str(first)),
            STORE.replace("store_width=16", "store_width=8"),
        )
    ]
    send = SEND.replace("target_addr=1", "target_addr=0").replace("vtile_id=0", "vtile_id=1")
    units = {(0, 0): halves, (0, 1): [SET.replace("32", "0"), LOAD]}
    run = run_machine(_program(tmp_path, units | {(1, None): [send], (1, 0): halves}), PANTHER)
    # beside a load the halves are stored in 5 and 9; the load is served in 7
    assert run.core_cycles[0, 0] == 12
    assert run.core_cycles[0, 1] == 11
    # alone they are stored in 4 and 8; sent in 10, so there in 40
    assert run.tile_cycles[1] == 42


def test_a_message_takes_31_cycles_and_four_to_send_and_receive(tmp_path):
    program = _program(tmp_path, {(0, None): [SEND], (1, None): [RECEIVE]})
    run = run_machine(program, PANTHER)
    # sent in cycle 1, there in 31, looked at in 32, in memory in 33
    assert run.tile_cycles == {0: 33, 1: 35}
    assert run.cycles == 35
    assert run.network_cycles == 32
    assert run.counts[1]["receive_buffer.access"] == 2
    assert run.counts[1]["tile_memory.access"] == 1
    assert run.counts[1]["tile_memory_controller.access"] == 0


def test_a_second_message_waits_until_the_first_has_been_taken(tmp_path):
    receive = ["receive(mem_addr=0, vtile_id=0, receive_width=16, counter=1, vec=2)"]
    send = ["send(mem_addr=0, vtile_id=0, send_width=16, target_addr=1, vec=2)"]
    before = "send(mem_addr=512, vtile_id=1, send_width=16, target_addr=0, vec=1)"
    core = ["set(d1=1700, imm=0, vec=100)", "set(d1=1536, imm=512, vec=1)", STORE]
    units = {(0, None): send, (1, None): [before, *receive], (1, 0): core}
    run = run_machine(_program(tmp_path, units), PANTHER)
    # the core stores in 104 what its tile sends in 106, to be there in 136; in 107 the tile takes
    # the first message, in the same cycle the second one gets its place, so tile 0 halts in 108
    assert run.tile_cycles == {0: 109, 1: 138}
    assert run.network_cycles == 137


@pytest.mark.parametrize(
    ("line", "cycles"),
    [
        ("set(d1=1600, imm=1, vec=5)", 5),
        ("copy(d1=0, r1=1600, vec=128, src_type=1)", 1),
        ("alu('add', d1=1600, r1=1600, r2=1600, vec=128)", 32),
        ("alu('add', d1=1600, r1=1600, r2=1600, vec=10)", 2),
        ("alu('relu', d1=1600, r1=1600, vec=3)", 2),
        ("train(['100''000'])", 1800),
        ("train(['111''111'])", 1800),
        ("train(['001''001'])", 80),
        ("train(['000''000'])", 2),
        ("mvm(['01'])", 1800),
    ],
)
def test_instructions_take_their_cycles(tmp_path, line, cycles):
    assert _cycles_of_core(tmp_path, line) == 3 + cycles


def test_cycles_that_are_left_out_are_those_in_which_nothing_moves(tmp_path):
    """With a tile beside that is never still no cycle is left out, and all else stays the same."""
    name = "convGPanther"
    alone = run_machine(read_program(DATA / name), PANTHER)
    folder = tmp_path / name
    shutil.copytree(DATA / name, folder)
    (folder / f"{name}-tile4.puma").write_text("halt()\n")
    for core in range(8):
        rows = [STORE.replace("vec=1", "vec=8"), LOAD.replace("vec=1", "vec=8")]
        text = "\n".join([f"set(d1=1536, imm={128 * core}, vec=1)", *40 * rows, "hlt()"])
        (folder / f"{name}-tile4-core{core}.puma").write_text(text)
    beside = run_machine(read_program(folder), PANTHER)
    assert beside.cycles > 40 * 16 * 8 * 2 > alone.cycles
    assert beside.network_cycles == alone.network_cycles
    for tile in range(4):
        assert beside.counts[tile] == alone.counts[tile]
        assert beside.tile_cycles[tile] == alone.tile_cycles[tile]
        for core in range(8):
            assert beside.core_cycles[tile, core] == alone.core_cycles[tile, core]


def test_who_waits_for_ever_is_named(tmp_path):
    program = _program(tmp_path, {(0, 0): [SET, LOAD], (0, None): [RECEIVE]})
    with pytest.raises(
        Blocked,
        match=r"core0.puma:2: programs wait for each other: .*core0.puma:2, .*tile0.puma:1$",
    ):
        run_machine(program, PANTHER)


@pytest.mark.parametrize(
    ("units", "message"),
    [
        (
            {(0, None): [SEND]},
            r"tile0.puma:1: target_addr must be one of 1 tiles, not 1$",
        ),
        (
            {(0, None): [SEND], (1, None): [RECEIVE.replace("16", "8")]},
            r"tile1.puma:1: row must have 8 words, not 16$",
        ),
        ({(0, 0): [LOAD]}, r"core0.puma:1: register 1536 must hold an address"),
    ],
)
def test_mistakes_are_named(tmp_path, units, message):
    with pytest.raises(PumaError, match=message):
        run_machine(_program(tmp_path, units), PANTHER)


def test_a_load_may_wait_for_nearly_100_000_cycles(tmp_path):
    train = "train(['100''000'])"
    program = _program(tmp_path, {(0, 0): [train, SET, STORE], (0, 1): [SET, LOAD]})
    # the load asks in cycle 3 and then in odd ones; the store asks 4 cycles after those of the
    # product and is served in the next odd one, the load 2 later; 3 more and its core halts
    run = run_machine(program, Latencies(mvm=99_992, opa=1))
    assert run.core_cycles[0, 1] == 99_997 + 2 + 3 + 1
    longer = Latencies(mvm=99_994, opa=1)
    with pytest.raises(
        PumaError, match=r"core1.puma:2: load must wait for at most 99997 cycles, not 99998: "
    ):
        run_machine(program, longer)
    assert run_machine(program, longer, Quirks(loads_give_up=False)).cycles > 100_000
