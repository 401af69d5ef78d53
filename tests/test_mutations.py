"""The mutation drill applies to the hardware as it is; running it is ``make mutate``."""

import ast
import re

import pytest

from cocotb_tests.mutations import MUTATIONS
from panther.sim import ROOT


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.what)
def test_mutation_applies(mutation):
    text = (ROOT / mutation.file).read_text()
    assert text.count(mutation.before) == 1
    assert mutation.after != mutation.before
    ast.parse(text.replace(mutation.before, mutation.after))
    path, function, case = re.fullmatch(r"(.*)::(\w+)\[(?:(\w+)-)?icarus\]", mutation.test).groups()
    text = (ROOT / path).read_text()
    assert f"def {function}(" in text
    assert case is None or f'"{case}"' in text or "SETS" in text
