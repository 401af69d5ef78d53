"""Random programs at transaction level, held against their text, interpreted."""

from collections import Counter

from cocotb_tests.conftest import seed
from cocotb_tests.designs import NODES
from cocotb_tests.puma_case import PumaCase
from cocotb_tests.random_puma import RandomPuma

NODE = "LOCKSTEP_SQUARE"
PROGRAMS = 40


def test_values_are_those_of_the_text(tmp_path):
    executed = Counter()
    saturated = repeated = reads = 0
    for number in range(1000 * seed(), 1000 * seed() + PROGRAMS):
        folder = tmp_path / str(number)
        folder.mkdir()
        RandomPuma(NODES[NODE], number).write(folder)
        case = PumaCase(
            folder=str(folder), node=NODE, seed=number, shift=3, weight_bits=8, word_bits=16
        )
        node = case.twin(case.params, trace=False)
        ((_, starts),) = case.all_starts()
        node.start(starts)
        assert node.run(limit_cycles=5_000_000), number
        assert not any(node.status(*unit).fault for unit in starts), number
        case.check(node)
        executed += case.end.executed
        saturated += case.end.saturated
        places = Counter(case.plan.used[place] for place in case.plan.readers)
        repeated += sum(count > 1 for count in places.values())
        loads = Counter((place[:2], case.plan.used[place]) for place in case.plan.used)
        reads += sum(count > 1 for count in loads.values())
    for name in ("set", "load", "store", "copy", "alu add", "alu sub", "alu relu", "alui mul",
                 "train", "mvm", "mtvm", "opa", "send", "receive"):  # fmt: skip
        assert executed[name] > PROGRAMS // 2, name
    assert min(saturated, repeated, reads) > 0
