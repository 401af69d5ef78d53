import pytest

from panther.arch.params import SliceParams
from panther.arch.presets import FINE, PAPER, TINY
from panther.energy.update import update_energy


def test_paper_unit():
    energy = update_energy(PAPER, opas=1, resolutions=1)
    # the source's own figures: 11.366 nJ an OPA, 6500 and 22606.33 pJ an array read and written
    assert 1e9 * energy.opa_j == pytest.approx(11.366, abs=0.001)
    assert 1e9 * energy.crs_j == pytest.approx(8 * (6.5 + 22.60633))
    assert energy.total_j == energy.opa_j + energy.crs_j


def test_energy_is_that_of_its_events():
    one, many = (update_energy(PAPER, opas=n, resolutions=n / 64) for n in (1, 640))
    assert many.opa_j == pytest.approx(640 * one.opa_j)
    assert many.crs_j == pytest.approx(640 * one.crs_j)
    assert update_energy(PAPER, opas=5, resolutions=0).crs_j == 0
    fine = update_energy(FINE, opas=1, resolutions=1)  # 16 slices instead of 8
    paper = update_energy(PAPER, opas=1, resolutions=1)
    assert (fine.opa_j, fine.crs_j) == pytest.approx((2 * paper.opa_j, 2 * paper.crs_j))
    tiny = update_energy(TINY, opas=1, resolutions=0)  # 3 slices, 8 bits
    assert tiny.opa_j == pytest.approx(paper.opa_j * 3 / 8 * 8 / 16)


def test_width_of_cells_has_no_price():
    from dataclasses import replace

    wide = replace(PAPER, slices=SliceParams(cell_bits=(8,) * 8))
    assert update_energy(wide, opas=1, resolutions=1) == update_energy(PAPER, opas=1, resolutions=1)
