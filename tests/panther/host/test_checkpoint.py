import errno
import json
import os
import random
import re
import shutil
import signal
import time

import numpy as np
import pytest

from cocotb_tests.designs import NODES
from cocotb_tests.host_training import differences, go_on, load, prepare
from panther.arch.tile import SEQUENCER
from panther.asm import assemble_text
from panther.host import HostError, checkpoint, now
from panther.host.checkpoint import CheckpointError, capture

PARAMS = NODES["PAIR"]
SEED = 5


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A folder with checkpoints of steps 1 and 2; tests work on copies."""
    from models.system.node import Node
    from panther.host import Host, TransactionTransport

    folder = tmp_path_factory.mktemp("saved")
    host = Host(TransactionTransport(Node(PARAMS)))
    now(prepare(host, SEED))
    for step in (1, 2):
        now(go_on(host, 1))
        now(checkpoint.save(host, folder, step=step, metadata={"rate": 0.5}))
    return folder


@pytest.fixture
def folder(saved, tmp_path):
    return shutil.copytree(saved, tmp_path / "ckpt")


@pytest.fixture
def trained(new_host):
    """Make a host whose node has trained so many pieces."""

    def make(pieces):
        host = new_host()
        now(prepare(host, SEED))
        now(go_on(host, pieces))
        return host

    return make


def files(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def tensor_file(sidecar):
    return sidecar.with_name(json.loads(sidecar.read_text())["file"]["name"])


# ---- what is saved


def test_resumed_training_ends_like_one_that_was_not_interrupted(trained, new_host, tmp_path):
    host = trained(2)
    path = now(checkpoint.save(host, tmp_path, step=2))
    now(go_on(host, 3))
    expected = now(capture(host))

    resumed = new_host()
    now(prepare(resumed, SEED + 1))  # another node, that has done something else
    now(go_on(resumed, 1))
    assert now(checkpoint.resume(resumed, path)).step == 2
    now(go_on(resumed, 3))
    assert differences(expected, now(capture(resumed))) == []
    # and would not, with another state of the generator
    now(checkpoint.resume(resumed, path))
    now(resumed.write_csr(0, 0, "seed", 1))
    now(go_on(resumed, 3))
    assert "tile0.core0.m0.cells" in differences(expected, now(capture(resumed)))


def test_any_state_is_restored(new_host, tmp_path):
    rng = np.random.default_rng(3)
    host = new_host()
    core = PARAMS.tile.core
    for tile in range(PARAMS.tiles):
        now(host.write_cells(tile, 0, 0, rng.integers(-16, 16, (2, 4, 4))))
        now(host.write_registers(tile, 0, 6144, rng.integers(-32768, 32768, core.registers)))
        for bank in range(4):
            now(host.write_registers(tile, 0, 128 * bank, rng.integers(-32768, 32768, 4)))
        now(host.write_scalars(tile, 0, np.r_[0, rng.integers(-(1 << 31), 1 << 31, 31)]))
        for name, value in (("rounding", 1), ("seed", 99), ("watchdog", 3), ("saturated", 1 << 31)):
            now(host.write_csr(tile, 0, name, value + tile * (name != "rounding")))
        for key, value in {
            "rows": 3, "columns": 2, "mvm_shift": 4, "mtvm_shift": 5, "eager": 1,
        }.items():  # fmt: skip
            now(host.configure(tile, 0, 0, checkpoint.ConfigKey[key.upper()], value))
        now(host.set_saturations(tile, 0, 0, rng.integers(0, 1 << 32, 6, np.uint32)))
        now(host.write_memory(tile, 0, rng.integers(-32768, 32768, core.memory_words)))
        now(host.write_states(tile, rng.integers(0, 2, 16), rng.integers(0, 512, 16)))
    expected = now(capture(host))
    assert all(value.any() for value in expected.values())
    path = now(checkpoint.save(host, tmp_path, step=0))

    other = new_host()
    now(other.load(0, 0, assemble_text("mcu m0:mvm+mtvm\nhlt", core)))
    now(other.write_cells(0, 0, 0, rng.integers(-16, 16, (2, 4, 4))))
    now(other.write_registers(0, 0, 0, [4, 5, 6, 7]))
    now(other.write_registers(0, 0, 128, [4, 5, 6, 7]))
    now(other.run({(0, 0): 0}))
    assert now(other.read_registers(0, 0, 4096, 4)).any()
    assert now(other.read_registers(0, 0, 4224, 4)).any()
    other.programs.clear()
    now(checkpoint.resume(other, path))
    found = now(capture(other))
    assert differences(expected, found) == []
    assert {name: value.dtype for name, value in found.items()} == {
        name: value.dtype for name, value in expected.items()
    }
    for address in (4096, 4224):
        np.testing.assert_array_equal(now(other.read_registers(0, 0, address, 4)), np.zeros(4))
    saturations = now(other.read_saturations(1, 0, 0))
    assert list(saturations.values()) == expected["tile1.core0.m0.saturations"].tolist()


def test_saturation_counters_go_on(new_host, tmp_path):
    host = new_host()
    now(host.set_saturations(0, 0, 0, [0xFFFFFFFF, 1, 2, 3, 4, 5]))
    now(host.load(0, 0, assemble_text("mcu m0:mvm\nhlt", PARAMS.tile.core)))
    now(host.write_cells(0, 0, 0, np.full((2, 4, 4), 15)))
    now(host.write_registers(0, 0, 0, [32767] * 4))
    path = now(checkpoint.save(host, tmp_path, step=1))
    for _ in range(2):
        now(host.run({(0, 0): 0}))
        # four words saturate
        assert now(host.read_saturations(0, 0, 0))["requantise"] == 3
        now(checkpoint.resume(host, path))


def test_sidecar_says_what_is_in_it(folder, trained):
    path = folder / "step-000002.json"
    fields = json.loads(path.read_text())
    assert fields["format"] == checkpoint.FORMAT
    assert (fields["step"], fields["metadata"]) == (2, {"rate": 0.5})
    assert fields["params"]["tile"]["core"]["mcu"]["slices"]["cell_bits"] == [6, 5]
    host = trained(2)
    assert fields["generators"]["tile 1 core 0"] == now(host.read_csr(1, 0, "seed"))
    assert fields["generators"]["tile 1 core 0"] != 1000 + SEED + 1
    tensors = checkpoint.read(path, PARAMS).tensors
    assert tensors["tile1.core0.m0.cells"].dtype == np.int8
    assert tensors["tile1.core0.m0.cells"].shape == (2, 4, 4)
    assert sorted(tensors) == sorted(fields["tensors"])
    assert differences(now(capture(host)), tensors) == []


# ---- what is refused


def test_node_that_is_at_work_is_refused(new_host, tmp_path):
    host = new_host()
    core = PARAMS.tile.core
    now(host.load(1, 0, assemble_text("again: jmp again", core, name="e.pasm")))
    with pytest.raises(HostError):
        now(host.run({(1, 0): 0}, limit_cycles=10))
    with pytest.raises(
        CheckpointError, match=r"tile 1 core 0 runs at pc 0 \(e.*\): a checkpoint needs halted"
    ):
        now(checkpoint.save(host, tmp_path, step=1))
    assert files(tmp_path) == {}


def test_rows_in_queues_are_refused(new_host, tmp_path):
    host = new_host()
    core = PARAMS.tile.core
    now(host.load(0, 0, assemble_text("st r0, s0, 0, 4, send_unit\nhlt", core)))
    now(host.load(0, SEQUENCER, assemble_text("send s0, 0, 4, 1, 0\nhlt", core)))
    now(host.load(1, SEQUENCER, assemble_text("recv s0, 0, 4, 0\nhlt", core)))
    now(host.run({(0, 0): 0, (0, SEQUENCER): 0}))
    with pytest.raises(CheckpointError, match="1 rows of messages are in receive queues"):
        now(checkpoint.save(host, tmp_path, step=1))
    with pytest.raises(HostError, match=r"1 rows of messages .* lost=True"):
        now(host.clear_counters())
    now(host.run({(1, SEQUENCER): 0}))
    now(checkpoint.save(host, tmp_path, step=1))


@pytest.mark.parametrize(
    ("unit", "program", "message"),
    [
        ((0, 0), "hlt", "tile 0 core 0 must have the program it had when .* not another one"),
        ((1, SEQUENCER), None, "tile 1 sequencer must have the program .* not none"),
    ],
)
def test_other_programs_are_refused(folder, new_host, unit, program, message):
    host = new_host()
    now(load(host))
    if program is None:
        del host.programs[unit]
    else:
        now(host.load(*unit, assemble_text(program, PARAMS.tile.core)))
    before = now(capture(host))
    with pytest.raises(CheckpointError, match=message):
        now(checkpoint.resume(host, folder / "step-000001.json"))
    assert differences(before, now(capture(host))) == []


def test_program_there_was_none_of_is_refused(new_host, tmp_path):
    host = new_host()
    path = now(checkpoint.save(host, tmp_path, step=1))
    now(load(host))
    with pytest.raises(CheckpointError, match="tile 0 core 0 must have no program"):
        now(checkpoint.resume(host, path))


def test_other_node_is_refused(folder, new_host):
    with pytest.raises(
        CheckpointError, match=r"000001\.json: .* another node: tile\.fifos must be 1, not 2"
    ):
        now(checkpoint.resume(new_host(NODES["SMALLEST"]), folder / "step-000001.json"))


@pytest.mark.parametrize("values", [{"step": -1}, {"step": 1, "keep": 0}])
def test_impossible_number_is_refused(new_host, tmp_path, values):
    with pytest.raises(ValueError, match="Step must be at least 0 and keep at least 1"):
        now(checkpoint.save(new_host(), tmp_path, **values))


# ---- what is damaged


def refused(folder, sidecar):
    """What :func:`read` says of a checkpoint, which :func:`latest` must have skipped."""
    with pytest.raises(CheckpointError) as error:
        checkpoint.read(sidecar, PARAMS)
    assert str(error.value).startswith(f"{sidecar}: ")
    found = checkpoint.latest(folder, PARAMS)
    assert found.path == folder / "step-000001.json"
    assert found.damaged == (str(error.value),)
    return str(error.value)


@pytest.mark.parametrize("which", ["sidecar", "tensors"])
def test_any_truncation_is_found(folder, which):
    sidecar = folder / "step-000002.json"
    path = sidecar if which == "sidecar" else tensor_file(sidecar)
    whole = path.read_bytes()
    rng = random.Random(1)
    lengths = {0, 1, 7, 8, 9, len(whole) // 2, len(whole) - 2, len(whole) - 1}
    lengths |= {rng.randrange(len(whole)) for _ in range(12)}
    for length in sorted(lengths):
        path.write_bytes(whole[:length])
        message = refused(folder, sidecar)
        assert "cut or changed" in message or f"not {length}" in message
    for more in (b"\n", b"\0" * 4096, whole):
        path.write_bytes(whole + more)
        refused(folder, sidecar)
    path.write_bytes(whole)
    assert checkpoint.latest(folder, PARAMS) == (sidecar, ())


@pytest.mark.parametrize("which", ["sidecar", "tensors"])
def test_any_flipped_bit_is_found(folder, which):
    sidecar = folder / "step-000002.json"
    path = sidecar if which == "sidecar" else tensor_file(sidecar)
    whole = path.read_bytes()
    rng = random.Random(2)
    places = {0, 8, len(whole) - 1, len(whole) - 2} | {rng.randrange(len(whole)) for _ in range(60)}
    for place in sorted(places):
        changed = bytearray(whole)
        changed[place] ^= 1 << rng.randrange(8)
        path.write_bytes(changed)
        assert "SHA-256 is another" in refused(folder, sidecar), f"byte {place}"


def test_missing_file_is_found(folder, new_host):
    sidecar = folder / "step-000002.json"
    tensors = tensor_file(sidecar)
    tensors.unlink()
    assert f"{tensors.name} is missing" in refused(folder, sidecar)
    host = new_host()
    now(load(host))
    with pytest.raises(CheckpointError, match="is missing"):
        now(checkpoint.resume(host, sidecar))
    sidecar.unlink()
    assert checkpoint.latest(folder, PARAMS) == (folder / "step-000001.json", ())


def test_directory_in_its_place_is_found(folder):
    sidecar = folder / "step-000002.json"
    sidecar.unlink()
    sidecar.mkdir()
    assert "cannot be read: Is a directory" in refused(folder, sidecar)


def test_checkpoint_under_another_name_is_found(folder):
    sidecar = folder / "step-000009.json"
    (folder / "step-000002.json").rename(sidecar)
    assert "its name must be step-000002.json" in refused(folder, sidecar)


def test_other_format_is_found(folder, monkeypatch):
    sidecar = folder / "step-000002.json"
    fields = json.loads(sidecar.read_text())
    del fields["sha256"]
    sidecar.write_text(checkpoint._sealed(fields | {"format": 1}))
    assert "format must be 2, not 1" in refused(folder, sidecar)
    # the tensors are listed one by one
    tensors = fields["tensors"] | {"tile0.words": "0" * 64}
    sidecar.write_text(checkpoint._sealed(fields | {"tensors": tensors}))
    assert "must hold the tensors listed" in refused(folder, sidecar)


def test_folder_without_checkpoints(tmp_path):
    assert checkpoint.latest(tmp_path, PARAMS) == (None, ())
    assert checkpoint.latest(tmp_path / "none", PARAMS) == (None, ())
    (tmp_path / "step-1.json").write_text("{}")
    (tmp_path / "notes.json").write_text("{}")
    assert checkpoint.latest(tmp_path, PARAMS) == (None, ())


def test_what_must_not_be_read(folder, monkeypatch):
    # root may read everything, so it is not the modes of the files that say no
    sidecar = folder / "step-000002.json"
    real = type(sidecar).read_bytes

    def read_bytes(path):
        if path == sidecar:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        return real(path)

    monkeypatch.setattr(type(sidecar), "read_bytes", read_bytes)
    assert "step-000002.json cannot be read: Permission denied" in refused(folder, sidecar)
    Fails(monkeypatch, "listdir", 0, errno.EACCES)
    with pytest.raises(CheckpointError, match="ckpt cannot be read: Permission denied"):
        checkpoint.latest(folder, PARAMS)


# ---- which stay


def steps(folder):
    return sorted(int(path.stem[5:]) for path in folder.glob("step-*.json"))


def test_the_newest_stay(new_host, tmp_path):
    host = new_host()
    for step in (1, 2, 10, 9, 1000000, 5):
        now(host.write_memory(0, 0, [step % 999]))
        now(checkpoint.save(host, tmp_path, step=step))
    # 5 was written last
    assert steps(tmp_path) == [5, 10, 1000000]
    assert len(files(tmp_path)) == 6
    assert checkpoint.latest(tmp_path, PARAMS).path == tmp_path / "step-1000000.json"
    now(checkpoint.save(host, tmp_path, step=11, keep=1))
    assert steps(tmp_path) == [11]
    # again, with something else in it
    now(host.write_memory(0, 0, [7]))
    now(checkpoint.save(host, tmp_path, step=11))
    assert len(files(tmp_path)) == 2
    assert checkpoint.latest(tmp_path, PARAMS).damaged == ()


def test_damaged_ones_do_not_push_out_good_ones(folder, new_host):
    host = new_host()
    for step in (8, 9):
        (folder / f"step-{step:06}.json").write_text("{")
    now(checkpoint.save(host, folder, step=3, keep=2))
    assert steps(folder) == [2, 3, 8, 9]
    now(checkpoint.save(host, folder, step=4, keep=1))
    assert steps(folder) == [4, 8, 9]
    found = checkpoint.latest(folder, PARAMS)
    assert found.path == folder / "step-000004.json"
    assert len(found.damaged) == 2


def test_leftovers_are_removed(folder, new_host):
    (folder / "step-000007-0123456789abcdef.safetensors").write_bytes(b"orphan")
    (folder / "step-000008.json.partial").write_bytes(b"partial")
    (folder / "notes.txt").write_bytes(b"mine")
    now(checkpoint.save(new_host(), folder, step=3, keep=9))
    assert steps(folder) == [1, 2, 3]
    assert len(files(folder)) == 7
    assert (folder / "notes.txt").exists()


# ---- crashes


class Fails:
    """A system call that fails from the ``after``-th call or byte on."""

    def __init__(self, monkeypatch, name, after, number):
        self.real, self.left, self.number = getattr(os, name), after, number
        monkeypatch.setattr(os, name, self.write if name == "write" else self.call)

    def write(self, handle, data):
        if self.left == 0:
            raise OSError(self.number, os.strerror(self.number))
        done = self.real(handle, bytes(data[: self.left]))
        self.left -= done
        return done

    def call(self, *arguments, **options):
        self.left -= 1
        if self.left < 0:
            raise OSError(self.number, os.strerror(self.number))
        return self.real(*arguments, **options)


def check_failure(folder, host, before, monkeypatch):
    with pytest.raises(CheckpointError) as error:
        now(checkpoint.save(host, folder, step=3, keep=9))
    monkeypatch.undo()
    assert re.search(
        r"step-000003\.json could not be written: .*\. Make room for \d+ bytes in .*ckpt, "
        r"or make it writable, and save again; the newest checkpoint there is step-00000[23]\.json",
        str(error.value),
    )
    found = checkpoint.latest(folder, PARAMS)
    assert found.damaged == ()
    if found.path.name == "step-000002.json":
        assert files(folder) == before
    else:  # all was done but the last flush
        assert len(files(folder)) == len(before) + 2
        assert files(folder).items() >= before.items()
    return found.path.name


def test_full_disk_leaves_what_was_there(folder, tmp_path, trained, monkeypatch):
    host = trained(3)
    before = files(folder)
    path = now(checkpoint.save(host, tmp_path / "measured", step=3))
    tensors = tensor_file(path).stat().st_size
    needed = tensors + path.stat().st_size
    rng = random.Random(3)
    rooms = {0, 1, tensors - 1, tensors, tensors + 1, needed - 1}
    rooms |= {rng.randrange(needed) for _ in range(10)}
    for room in sorted(rooms):
        Fails(monkeypatch, "write", room, errno.ENOSPC)
        assert check_failure(folder, host, before, monkeypatch) == "step-000002.json", room
    now(checkpoint.save(host, folder, step=3))
    assert checkpoint.latest(folder, PARAMS).path.name == "step-000003.json"


@pytest.mark.parametrize(
    ("name", "after", "number"),
    [
        ("open", 0, errno.ENOSPC), ("open", 2, errno.EDQUOT), ("fsync", 0, errno.EIO),
        ("fsync", 1, errno.EIO), ("fsync", 2, errno.ENOSPC), ("fsync", 3, errno.EIO),
        ("replace", 0, errno.EACCES), ("replace", 1, errno.ENOSPC),
    ],
)  # fmt: skip
def test_failed_call_leaves_what_was_there(folder, trained, monkeypatch, name, after, number):
    host = trained(3)
    before = files(folder)
    Fails(monkeypatch, name, after, number)
    newest = check_failure(folder, host, before, monkeypatch)
    last = (name, after) == ("fsync", 3)
    assert newest == ("step-000003.json" if last else "step-000002.json")
    now(checkpoint.save(host, folder, step=3))
    assert checkpoint.latest(folder, PARAMS).path.name == "step-000003.json"


def test_folder_in_which_none_can_be_made(new_host, tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(CheckpointError, match=r"could not be written: .*directory"):
        now(checkpoint.save(new_host(), tmp_path / "file" / "ckpt", step=1))
    path = now(checkpoint.save(new_host(), tmp_path / "a" / "b", step=1))
    assert checkpoint.latest(tmp_path / "a" / "b", PARAMS) == (path, ())


def test_full_disk_and_a_damaged_one_of_the_same_step(folder, new_host, monkeypatch):
    (folder / "step-000003.json").write_bytes(b"\xff")
    before = files(folder)
    Fails(monkeypatch, "write", 0, errno.ENOSPC)
    with pytest.raises(CheckpointError, match="newest checkpoint there is step-000002"):
        now(checkpoint.save(new_host(), folder, step=3))
    assert files(folder) == before


def test_names_are_on_the_disk_in_order(folder, new_host, monkeypatch):
    calls = []
    for name in ("fsync", "unlink"):
        real = getattr(os, name)

        def noted(*arguments, name=name, real=real, **options):
            what = os.readlink(f"/proc/self/fd/{arguments[0]}") if name == "fsync" else arguments[0]
            calls.append(f"{name} {os.path.relpath(what, folder)}")
            return real(*arguments, **options)

        monkeypatch.setattr(os, name, noted)
    now(checkpoint.save(new_host(), folder, step=3, keep=1))
    names = [re.sub("-[0-9a-f]{16}", "", call) for call in calls]
    assert names == [
        "fsync step-000003.safetensors.partial", "fsync .", "fsync step-000003.json.partial",
        "fsync .", "unlink step-000002.json", "unlink step-000001.json", "fsync .",
        "unlink step-000002.safetensors", "unlink step-000001.safetensors",
    ]  # fmt: skip
    calls.clear()
    now(checkpoint.save(new_host(), folder / "a" / "b", step=3))
    # the names of both new folders
    assert calls[:2] == ["fsync a", "fsync ."]


def child(work):
    """Process id of a copy of this process that does ``work`` and nothing else."""
    process = os.fork()
    if not process:
        try:
            work()
        finally:
            os._exit(1)
    return process


def dies(process):
    """A child must have been killed."""
    _, status = os.waitpid(process, 0)
    assert os.WIFSIGNALED(status), f"Status of the child must be a signal, not {status}"
    assert os.WTERMSIG(status) == signal.SIGKILL


class Expected:
    """What an uninterrupted run holds after each step."""

    def __init__(self, host):
        self.host, self.states = host, []
        now(prepare(host, SEED))

    def __getitem__(self, step):
        while len(self.states) <= step:
            if self.states:
                now(go_on(self.host, 1))
            self.states.append(now(capture(self.host)))
        return self.states[step]


def resumed(host, folder):
    """Step at which a new process goes on; from the beginning if there is no checkpoint."""
    found = checkpoint.latest(folder, PARAMS)
    assert found.damaged == ()
    if found.path is None:
        now(prepare(host, SEED))
        return 0
    now(load(host))
    return now(checkpoint.resume(host, found.path)).step


def test_killed_at_any_time_the_last_checkpoint_is_good(new_host, tmp_path):
    expected, rng = Expected(new_host()), random.Random(4)
    step = 0
    assert expected[1]  # whatever is compiled, is compiled before children are timed

    def work():
        host = new_host()
        step = resumed(host, tmp_path)
        os.write(ready, b"!")
        while True:
            step += 1
            now(go_on(host, 1))
            now(checkpoint.save(host, tmp_path, step=step))

    for _ in range(20):
        begun, ready = os.pipe()
        process = child(work)
        os.read(begun, 1)
        time.sleep(rng.uniform(0, 0.4))
        os.kill(process, signal.SIGKILL)
        dies(process)
        os.close(begun), os.close(ready)
        host = new_host()
        before, step = step, resumed(host, tmp_path)
        assert step >= before
        assert differences(expected[step], now(capture(host))) == [], f"step {step}"
    assert step > 0
    now(go_on(host, 1))
    assert differences(expected[step + 1], now(capture(host))) == []


@pytest.mark.parametrize("name", ["write", "fsync", "replace", "unlink"])
def test_killed_at_every_call_the_last_checkpoint_is_good(folder, trained, new_host, name):
    expected = [None, *(now(capture(trained(pieces))) for pieces in (1, 2, 3))]
    host = trained(3)
    files_before = files(folder)
    real, calls = getattr(os, name), 0

    def work():
        left = calls

        def killed(*arguments, **options):
            nonlocal left
            if left == 0:
                if name == "write":  # half of it
                    real(arguments[0], bytes(arguments[1][: len(arguments[1]) // 2]))
                os.kill(os.getpid(), signal.SIGKILL)
            left -= 1
            return real(*arguments, **options)

        setattr(os, name, killed)
        now(checkpoint.save(host, folder, step=3, keep=2))
        os.kill(os.getpid(), signal.SIGTERM)

    while True:
        for path in folder.iterdir():
            path.unlink()
        for file, content in files_before.items():
            (folder / file).write_bytes(content)
        _, status = os.waitpid(child(work), 0)
        found = checkpoint.latest(folder, PARAMS)
        assert found.damaged == ()
        other = new_host()
        now(load(other))
        step = now(checkpoint.resume(other, found.path)).step
        assert step in (2, 3)
        assert differences(expected[step], now(capture(other))) == []
        # nothing is in the way of the next one, and nothing is left behind
        now(checkpoint.save(host, folder, step=3, keep=2))
        assert steps(folder) == [2, 3]
        assert len(files(folder)) == 4
        if os.WTERMSIG(status) == signal.SIGTERM:
            break
        assert os.WTERMSIG(status) == signal.SIGKILL
        calls += 1
    assert calls >= 2
