from dataclasses import replace

import numpy as np
import pytest

from cocotb_tests.designs import NODES, SETS
from cocotb_tests.two_tiles import NODE, TwoTiles, unequal_cells
from models.system.node import Node
from panther.arch.core import MAX_MEMORY_WORDS, Fault
from panther.arch.mcu import ConfigKey, InBank
from panther.arch.node_registers import (
    PROGRAM,
    STATES,
    memory_address,
    node_address,
    tile_address,
)
from panther.arch.tile import SEND_READER, SEQUENCER, TileWait
from panther.asm import assemble_text
from panther.host import AccessError, Host, HostError, TransactionTransport, checkpoint, now
from panther.host.cells import pack_cells, unpack_cells

PARAMS = NODES["PAIR"]
CORE = PARAMS.tile.core


def program(text, name="x.pasm"):
    return assemble_text(text, CORE, name=name)


def test_node_tells_what_it_is(new_host):
    host = new_host()
    now(host.identify())
    host.params = NODES["SMALLEST"]
    with pytest.raises(HostError, match=r"mesh .* must be 0x10001, not 0x10002: this is another"):
        now(host.identify())


@pytest.mark.parametrize("name", ["PAPER", "SMALL", "CLIP", "SIX"])
def test_cells_survive_being_packed(name):
    params = SETS[name]
    rng = np.random.default_rng(1)
    shape = params.rows, params.columns
    ranges = [params.slices.cell_range(k) for k in range(params.slices.count)]
    cells = np.stack([rng.integers(low, high + 1, shape) for low, high in ranges])
    words = pack_cells(params, cells)
    assert words.shape == shape
    np.testing.assert_array_equal(unpack_cells(params, words), cells)
    # by hand: slice 0 in the lowest bits
    assert int(words[0, 0]) & 1 == int(cells[0, 0, 0]) & 1
    assert int(words[1, 2]) >> params.slices.cell_bits[0] & 3 == int(cells[1, 1, 2]) & 3


def test_what_is_written_is_read(new_host):
    host = new_host()
    rng = np.random.default_rng(7)
    scalars = rng.integers(-(1 << 31), 1 << 31, 32)
    scalars[0] = 0
    now(host.write_scalars(1, 0, scalars))
    np.testing.assert_array_equal(now(host.read_scalars(1, 0)), scalars)
    np.testing.assert_array_equal(now(host.read_scalars(0, 0)), np.zeros(32))

    words = rng.integers(-32768, 32768, 32)
    now(host.write_memory(1, 5, [3, -4, 5]))
    states = rng.integers(0, 2, 16), rng.integers(0, 512, 16)
    now(host.write_states(1, *states))
    now(host.write_registers(1, 0, 6144, words))
    np.testing.assert_array_equal(now(host.read_registers(1, 0, 6144, 32)), words)
    operands = rng.integers(-32768, 32768, 4)
    now(host.write_registers(1, 0, CORE.xbar_in(0, InBank.OPA_ROWS), operands))
    address = CORE.xbar_in(0, InBank.OPA_ROWS) + 1
    np.testing.assert_array_equal(now(host.read_registers(1, 0, address, 3)), operands[1:])
    # which went through the memory
    np.testing.assert_array_equal(now(host.read_memory(1, 4, 5)), [0, 3, -4, 5, 0])
    for expected, state in zip(states, now(host.read_states(1)), strict=True):
        np.testing.assert_array_equal(state, expected)

    cells = rng.integers(-16, 16, (2, 4, 4))
    now(host.write_cells(1, 0, 0, cells))
    np.testing.assert_array_equal(now(host.read_cells(1, 0, 0)), cells)
    now(host.write_csr(1, 0, "seed", 0xFEDCBA98))
    assert now(host.read_csr(1, 0, "seed")) == 0xFEDCBA98
    now(host.configure(1, 0, 0, ConfigKey.MVM_SHIFT, 3))
    assert now(host.read_csr(1, 0, "m0.mvm_shift")) == 3
    assert now(host.execute(1, 0, "sset s0, -9")) == -9


def test_program_behind_another_is_gone(new_host):
    host = new_host()
    now(host.load(0, 0, program("nop\nnop\nnop\nsset s1, 1\nhlt")))
    now(host.load(0, 0, program("nop")))
    with pytest.raises(HostError, match=r"tile 0 core 0: ILLEGAL at pc 1, cycle 2"):
        now(host.run({(0, 0): 0}))


def test_everybody_who_has_not_halted_is_reported(new_host):
    host = new_host()
    now(host.load(0, 0, program("csr watchdog, 300\nld r0, s0, 8, 4, take ; x\nhlt", "a.pasm")))
    now(host.load(0, SEQUENCER, program("recv s0, 0, 4, 0\nhlt", "b.pasm")))
    now(host.load(1, 0, program("hlt").words))
    with pytest.raises(HostError) as error:
        now(host.run({(0, 0): 0, (1, 0): 0, (0, SEQUENCER): 0}))
    assert str(error.value).splitlines() == [
        "Programs stopped for a fault:",
        (
            "tile 0 core 0: WATCHDOG at pc 1 (a.pasm:2: ld r0, s0, 8, 4, take), cycle 304, waited "
            "for words 8..11 to be stored"
        ),
        (
            "tile 0 sequencer runs at pc 1 (b.pasm:2: hlt), waits for the send or receive unit; "
            "receive unit waits for a message in queue 0"
        ),
    ]
    assert now(host.status(0, 0)).wait is TileWait.LOAD
    assert now(host.status(0, SEQUENCER)).running
    with pytest.raises(HostError, match=r"tile 0 sequencer runs at pc 1.*while it is halted"):
        now(host.load(0, SEQUENCER, [0]))
    with pytest.raises(HostError, match="must end before it is started"):
        now(host.start({(0, SEQUENCER): 0}))


def test_transfers_say_what_they_wait_for(new_host):
    host = new_host()
    # more rows than a queue has room for; then words nobody stores
    now(host.load(0, SEQUENCER, program("again: send s0, 0, 16, 1, 1\njmp again", "c.pasm")))
    now(host.load(1, SEQUENCER, program("send s0, 20, 12, 0, 0\nhlt", "d.pasm")))
    for group in range(4):
        now(host.write_states(0, [True], [1 << SEND_READER], group))
    starts = {(0, SEQUENCER): 0, (1, SEQUENCER): 0}
    with pytest.raises(HostError, match=r"d\.pasm:2.*; send unit waits for words 20\.\.23"):
        now(host.run(starts, limit_cycles=900))
    assert "; send unit waits for words 0..3 to be stored" in now(host.describe(0, SEQUENCER))
    for _ in range(PARAMS.tile.fifo_rows):
        now(host.write_states(0, [True] * 4, [1 << SEND_READER] * 4))
        with pytest.raises(HostError):
            now(host.wait(limit_cycles=200))
    text = now(host.describe(0, SEQUENCER))
    assert text.endswith("; send unit waits for room in queue 1 of tile 1"), text


def test_transfers_say_what_they_waited_for_in_vain(new_host):
    host = new_host()
    now(host.write_states(0, [True], [1 << SEND_READER], 5))
    now(host.load(0, SEQUENCER, program("csr watchdog, 20\nsend s0, 20, 13, 1, 0\nhlt")))
    now(host.load(1, SEQUENCER, program("csr watchdog, 20\nrecv s0, 0, 4, 1\nhlt")))
    for tile in range(2):
        with pytest.raises(HostError, match=f"tile {tile} sequencer: WATCHDOG at pc 1"):
            now(host.run({(tile, SEQUENCER): 0}))
    assert now(host.transfer(0, "send")) == (False, TileWait.LOAD, 1, 0, 1, 6)
    assert now(host.transfer(1, "receive")) == (False, TileWait.MESSAGE, 0, 1, 1, 0)


def test_row_from_a_wrong_tile_is_reported_after_the_halt(new_host):
    host = new_host()
    for tile in range(2):
        now(host.write_states(tile, [True], [1 << SEND_READER]))
    send = "send s0, 0, 4, 0, 0\nhlt"
    now(host.load(0, SEQUENCER, program(send)))
    # the first one has halted long ago, and the host has seen it
    now(host.load(1, SEQUENCER, program(f"loop 3000, end\nnop\nend: {send}")))
    with pytest.raises(HostError, match=r"fault:\ntile 0 sequencer: SENDER at pc 2, cycle \d+$"):
        now(host.run({(0, SEQUENCER): 0, (1, SEQUENCER): 0}))


def test_greatest_memory_is_within_reach(new_host):
    tile = replace(PARAMS.tile, core=replace(CORE, memory_words=MAX_MEMORY_WORDS))
    host = new_host(replace(PARAMS, tile=tile))
    now(host.identify())
    groups, node = tile.groups, host.transport.node
    core = tile.core
    rng = np.random.default_rng(3)
    words = rng.integers(-32768, 32768, 4 * groups)
    states = rng.integers(0, 2, groups), rng.integers(0, 512, groups)
    cells = rng.integers(-2, 2, node.cores[0].cells(0).shape)
    last = assemble_text("ld r0, s1, 0, 4\nhlt", core)
    for number in range(2):
        now(host.write_memory(number, 0, words))
        now(host.write_states(number, *states))
        now(host.write_cells(number, 0, 0, cells))
        now(host.load(number, 0, last))
    for number in range(2):
        np.testing.assert_array_equal(now(host.read_memory(number, 0, 4 * groups)), words)
        valid, readers = now(host.read_states(number))
        np.testing.assert_array_equal(valid, states[0])
        np.testing.assert_array_equal(readers, states[1])
        np.testing.assert_array_equal(now(host.read_cells(number, 0, 0)), cells)

    # whoever waits for the last group of all says so
    now(host.write_states(0, [False], [0], groups - 1))
    now(host.execute(0, 0, f"sset s1, {4 * groups - 4}"))
    now(
        host.load(0, SEQUENCER, program(f"sset s1, {4 * groups - 4}\nrecv s1, 0, 4, 1, core0\nhlt"))
    )
    now(host.write_states(1, [True], [1 << SEND_READER], 0))
    now(host.load(1, SEQUENCER, program("send s0, 0, 4, 0, 1\nhlt")))
    with pytest.raises(
        HostError, match=rf"waits for words {4 * groups - 4}\.\.{4 * groups - 1} to"
    ):
        now(host.run({(0, 0): 0}, limit_cycles=900))
    now(host.write_states(0, [True], [1], groups - 1))
    now(host.wait())
    now(host.write_states(0, [True], [1], groups - 1))  # nobody has taken it
    with pytest.raises(HostError, match="Nothing has ended"):
        now(host.run({(0, SEQUENCER): 0, (1, SEQUENCER): 0}, limit_cycles=900))
    assert now(host.transfer(0, "receive")) == (True, TileWait.STORE, 1, 1, 1, groups - 1)


def test_units_that_are_not_there_are_not_kept(new_host):
    host, there = new_host(), 1 | 1 << SEQUENCER
    for name, value in (
        ("arm", there), ("hold", there), ("interrupt_enable", there | there << 16)
    ):  # fmt: skip
        now(host.transport.write(tile_address(1, name), 0xFFFFFFFF))
        assert now(host.transport.read(tile_address(1, name))) == value, name


def test_limit_of_cycles(new_host):
    host = new_host()
    now(host.load(1, 0, program("again: jmp again", "endless.pasm")))
    with pytest.raises(
        HostError, match=r"within 900 cycles:\ntile 1 core 0 runs at pc 0 \(endless"
    ):
        now(host.run({(1, 0): 0}, limit_cycles=900))
    with pytest.raises(HostError, match=r"tile 1 core 0 runs .* carry out an instruction"):
        now(host.execute(1, 0, "nop"))
    with pytest.raises(HostError, match="cells must be read while"):
        now(host.read_cells(1, 0, 0))
    with pytest.raises(HostError, match="no unit of the tile must run"):
        now(host.read_registers(1, 0, 6144, 1))


def test_words_the_host_stores_are_seen_by_who_waits(new_host):
    host = new_host()
    now(host.load(0, 0, program("ld r0, s0, 8, 4, take\nst r0, s0, 0, 4, plain\nhlt")))
    with pytest.raises(HostError, match=r"waits for words 8\.\.11 to be stored"):
        now(host.run({(0, 0): 0}, limit_cycles=500))
    now(host.write_memory(0, 8, [1, 2, 3, 4]))
    now(host.write_states(0, [True], [1], group=2))
    now(host.wait())
    np.testing.assert_array_equal(now(host.read_memory(0, 0, 4)), [1, 2, 3, 4])
    assert now(host.status(0, 0)).fault is Fault.NONE


def test_units_are_held_looked_at_and_let_on_step_by_step(new_host):
    host = new_host()
    now(host.load(0, 0, program("loop 3, e\nsadd s1, s1, 7\ne: hlt")))
    now(host.hold([(0, 0)]))
    now(host.start({(0, 0): 0}))
    with pytest.raises(HostError, match=r"core 0 is held at pc 0 \(x\.pasm:1: loop 3, e\)"):
        now(host.wait(1000))
    seen = []
    for _ in range(4):
        now(host.step([(0, 0)]))
        seen.append((now(host.status(0, 0)).pc, int(now(host.read_scalars(0, 0))[1])))
    assert seen == [(1, 0), (1, 7), (1, 14), (2, 21)]
    assert now(host.status(0, 0)).held
    # what is held may be changed
    now(host.write_scalars(0, 0, np.arange(32)))
    now(host.hold([]))
    now(host.wait())
    assert not now(host.status(0, 0)).held
    assert now(host.read_scalars(0, 0))[1] == 1


def test_units_are_in_reset_together(new_host):
    host, writes = new_host(), []

    class Noted(TransactionTransport):
        async def write(self, address, value):
            writes.append((address, value))

    host.transport = Noted(Node(PARAMS))
    now(host.reset([(1, SEQUENCER), (0, 0), (1, 0)]))
    units = {0: 1, 1: 1 | 1 << SEQUENCER}
    assert writes[:2] == [(tile_address(tile, "reset"), mask) for tile, mask in units.items()]
    # then each is let go, and what it has raised is forgotten
    assert writes[2:] == [
        write
        for tile, mask in units.items()
        for write in (
            (tile_address(tile, "reset"), 0),
            (tile_address(tile, "interrupt"), mask | mask << 16),
        )
    ]


def test_counters_are_cleared(new_host):
    host = new_host()
    now(host.load(0, 0, program("st r0, s0, 0, 4, plain\nhlt")))
    now(host.run({(0, 0): 0}))
    assert now(host.read_counters(0))["accesses"] == 1
    now(host.clear_counters())
    assert set(now(host.read_counters(0)).values()) == {0}
    assert set(now(host.read_router_counters(0)).values()) == {0}
    now(host.run({(0, 0): 0}))
    assert now(host.read_counters(0))["accesses"] == 1


@pytest.mark.parametrize(
    ("access", "message"),
    [
        (lambda t: t.read(0x1000 * 3), "DECERR"),
        (lambda t: t.read(node_address("start")), "SLVERR"),
        (lambda t: t.write(node_address("magic"), 0), "SLVERR"),
        (lambda t: t.write(tile_address(0, "reset"), 1), "must not be told to reset"),
        (lambda t: t.load(memory_address(1, STATES, 16), 8), "DECERR"),
        (lambda t: t.load(memory_address(0, PROGRAM, 0, 0), 8), "SLVERR"),
        (lambda t: t.store(memory_address(0, STATES, 0), b"12"), "SLVERR"),
        (lambda t: t.store(memory_address(0, PROGRAM, 0, 0), bytes(8 * 25)), "DECERR"),
        (lambda t: t.load(memory_address(2, STATES, 0), 8), "DECERR"),
    ],
)  # fmt: skip
def test_access_is_refused(new_host, access, message):
    with pytest.raises(AccessError, match=message):
        now(access(new_host().transport))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda h: h.load(0, 1, [1]), "Core must be"),
        (lambda h: h.load(0, 0, [1] * 25), "Words of a program must be"),
        (lambda h: h.read_memory(2, 0, 4), "Tile must be"),
        (lambda h: h.write_memory(0, 62, [1, 2, 3]), "Address must be"),
        (lambda h: h.write_cells(0, 0, 0, np.zeros((2, 4, 5), int)), "Cells must have the shape"),
        (lambda h: h.write_cells(0, 0, 0, np.full((2, 4, 4), 16)), "Cells of slice 1 must be"),
        (lambda h: h.read_csr(0, 0, "rows"), "Control register must be one of rounding, seed"),
        (lambda h: h.write_scalars(0, 0, np.ones(32, int)), "the first one 0"),
        (lambda h: h.write_scalars(0, 0, np.ones(32)), "Scalars must be integers, not float64"),
        (lambda h: h.start({(0, 0): 0, (1, 0): 1 << 13}), "Address must be"),
        (lambda h: h.hold([(0, 1)]), "Core must be"),
        (lambda h: h.step([(2, 0)]), "Tile must be"),
        (lambda h: h.reset([(2, SEQUENCER)]), "Tile must be"),
        (lambda h: h.write_memory(0, 0, np.array([40000])), "Words must be in the range"),
        (lambda h: h.write_registers(0, 0, 6144, [-32769]), "Words must be in the range"),
        (lambda h: h.write_states(0, [1], [512]), "Readers must be masks of 9 bits"),
        (lambda h: h.load(0, 0, [-1]), "Word of a program must be"),
    ],
)
def test_value_is_refused(new_host, call, message):
    with pytest.raises(ValueError, match=message):
        now(call(new_host()))


def test_training_on_two_tiles_resumed_in_the_middle_is_goldens(tmp_path):
    piece = TwoTiles(steps=10, crs_period=5)
    whole = TwoTiles(steps=20, crs_period=5)
    nodes = [Node(NODE, piece.arrays()), Node(NODE)]
    data = whole.data()
    order = whole.order(data)
    images, classes = data.train_x[order], data.train_y[order]
    for n, node in enumerate(nodes):
        host = Host(TransactionTransport(node))
        now(host.load_programs(piece.assembled()))
        if n:
            found = now(checkpoint.resume(host, tmp_path / "step-000010.json"))
            assert found.metadata == {"examples": "digits"}
        now(host.write_memory(0, 0, images[10 * n :][:10]))
        now(host.write_memory(1, 0, classes[10 * n :][:10]))
        now(host.run(piece.starts()))
        now(checkpoint.save(host, tmp_path, step=10 * n + 10, metadata={"examples": "digits"}))
    arrays = [core.arrays[0] for core in nodes[1].cores]
    assert unequal_cells(arrays, whole.train()) == 0
    assert unequal_cells(arrays, piece.train()) > 0
