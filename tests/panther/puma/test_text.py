"""What the reader makes of a line: translation and interpreter both rely on it."""

import pytest

from panther.puma import SEQUENCER, read_program


def _read(tmp_path, *lines, unit=0):
    (tmp_path / "a-b-tile0.puma").write_text("halt()")
    (tmp_path / "a-b-tile0-core0.puma").write_text("hlt()\n")
    file = "a-b-tile0.puma" if unit == SEQUENCER else "a-b-tile0-core0.puma"
    last = "halt()" if unit == SEQUENCER else "hlt()"
    (tmp_path / file).write_text("\n".join([*lines, last]))
    program = read_program(tmp_path)
    assert (program.name, program.tiles, program.cores) == ("a-b", 1, 1)
    return program.units[0, unit]


@pytest.mark.parametrize(
    ("constant", "word"),
    [("0.01", 41), ("-0.01", -41), ("1", 4096), ("-0.5", -2048), ("0.0001220703125", 1),
     ("-0.0001220703125", 0), ("0.0001", 0), ("-8", -32768), ("7.9998", 32767)],
)  # fmt: skip
def test_constants_are_q4_12_to_nearest_ties_up(tmp_path, constant, word):
    line, _ = _read(tmp_path, f"alui('mul', d1=1600, r1=1536, imm={constant}, vec=3)")
    assert (line.name, line.operands["imm"], line.length) == ("alui mul", word, 3)


def test_bits_are_mvm_mtvm_opa_of_one_unit_after_the_other(tmp_path):
    lines = _read(tmp_path, "train(['100''011'])", "train(['010001'])", "mvm(['01'])")
    assert [line.operations for line in lines] == [
        ({"mvm"}, {"mtvm", "opa"}), ({"mtvm"}, {"opa"}), (set(), {"mvm"}), (),
    ]  # fmt: skip


def test_length_is_rows_times_width(tmp_path):
    lines = _read(
        tmp_path, "load(d1=1537, r1=1537, load_width=16, vec=8)", "", "  set(d1=1, imm=-3, vec=2)"
    )
    assert [line.length for line in lines] == [128, 2, 0]
    assert [line.where.rpartition(":")[2] for line in lines] == ["1", "3", "4"]
    lines = _read(
        tmp_path, "send(mem_addr=8, vtile_id=0, send_width=10, target_addr=4, vec=1)",
        "receive(mem_addr=8, vtile_id=3, receive_width=5, counter=1, vec=3)", unit=SEQUENCER,
    )  # fmt: skip
    assert [line.length for line in lines] == [10, 15, 0]
