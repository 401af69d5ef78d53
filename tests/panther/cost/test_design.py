"""The study task ``design``: what a point is, and what it returns."""

from pathlib import Path

import pytest

from panther.cost import design
from panther.energy.inventory import mcu_parts
from panther.energy.prices import FOLDER, load_prices
from panther.study import load
from panther.study.tasks import find

ROOT = Path(__file__).parents[3]
SMALL = {
    "hidden": 12, "rows": 16, "columns": 16, "epochs": 1, "examples": 64, "lr": 0.03125,
    "adc.bits": 7,
}  # fmt: skip


def run(**parameters):
    design.check(SMALL | parameters)
    return design.run(SMALL | parameters, lambda share: None)


@pytest.fixture(scope="module")
def small():
    return run()


def test_point_has_what_it_is_how_good_and_how_dear(small):
    assert small["label"] == "12, 16x16, 44466555, 1 ADC of 7 b, V1, CRS every 16"
    # 65 rows by 12 columns on five crossbars, 13 by 10 on one; 910 of 1536 cells
    assert (small["crossbars"], small["cores"], small["tiles"]) == (6, 3, 1)
    assert small["cells_used"] == pytest.approx(910 / 1536)
    assert 0 < small["utilisation"] < 1
    assert 0 < small["converters"] + small["leakage"] < 1
    for name, unit in (("energy", "j"), ("area", "m2"), ("power", "w"), ("edp", "js")):
        value = small[f"{name}_{unit}"]
        assert 0 < small[f"{name}_low_{unit}"] < value < small[f"{name}_high_{unit}"]
    assert small["power_w"] == pytest.approx(small["energy_j"] / small["time_s"])
    assert small["edp_js"] == pytest.approx(small["energy_j"] * small["time_s"])
    assert set(design.SHOWN) <= set(small)


def test_results_depend_on_parameters_alone(small):
    assert run() == small


def test_design_is_its_parameters(small):
    plain = {name: value for name, value in SMALL.items() if name not in ("adc.bits", "rows")}
    text = "adc.bits=7 rows=16"
    assert design.run({**plain, "design": text}, lambda share: None) == small
    changed = design.whole({**SMALL, "design": "adc.bits=9 crs_period=none slices=4x16 lr=1.0"})
    assert changed == SMALL | {"adc.bits": 9, "crs_period": "none", "slices": "4x16", "lr": 1.0}
    assert design.whole({**SMALL, "design": "paper"}) == SMALL


def test_what_should_cost_more_does(small):
    wide = run(**{"adc.bits": 8})
    assert wide["energy_j"] > small["energy_j"]
    # on each of six crossbars eight converters of 8 bits instead of 7, which count as half of one
    more = 6 * 8 * 0.5 * load_prices("parts").area_m2("adc")
    assert wide["area_m2"] - small["area_m2"] == pytest.approx(more)
    assert wide["time_s"] == small["time_s"]
    many = run(**{"adc.per_slice": 4})
    assert many["time_s"] < small["time_s"]
    assert many["area_m2"] > small["area_m2"]
    assert many["accuracy"] == small["accuracy"]
    often = run(crs_period=1)
    assert often["time_s"] > small["time_s"]
    assert often["energy_j"] > small["energy_j"]
    # two arrays of every slice
    copies = run(variant="V3", batch=16)
    assert copies["crossbars"] == small["crossbars"]
    assert copies["area_m2"] > small["area_m2"]


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"hidden": "64,32"}, "hidden must be sizes of layers, such as 128-64, not '64,32'"),
        ({"hidden": "0"}, "Size of a hidden layer must be .*1.*1024.*, not 0"),
        ({"hidden": "8-8-8-8-8"}, "Hidden layers must be .*, not 5"),
        ({"prices": "cheap"}, "Price set must be one of .*parts.*, not 'cheap'"),
        ({"crs_period": 1024}, "common multiple of at most 128, not 1024"),
        ({"variant": "V2", "batch": 48, "crs_period": 64}, "at most 128, not 192"),
        ({"adc.bits": 5}, "ADC of slice 3 must have at least the 6 bits of a cell"),
        ({"adc.per_slice": 3}, "ADCs per slice must divide the 16 rows, not 3"),
        ({"headroom": 4, "variant": "V3"}, "Headroom groups must be 0 with variant V3"),
        ({"batch": 4}, "Batch must be 1 with variant V1, not 4"),
        ({"epochs": 0}, "Epochs must be .*, not 0"),
        ({"slices": "44466555", "value_bits": 5}, "must hold at least the 5 value bits"),
        ({"design": "adc.bits"}, "design must be paper or NAME=VALUE, not 'adc.bits'"),
        ({"design": "adc.bit=7"}, "design must be .*did you mean adc.bits"),
        ({"design": "adc.bits=5"}, "at least the 6 bits of a cell"),
    ],
)
def test_impossible_points_are_refused(changed, said):
    with pytest.raises(ValueError, match=said):
        design.check(SMALL | changed)


def test_unknown_parameters_are_refused():
    with pytest.raises(ValueError, match=r"Parameter must be .*, not 'device\.read_noise'"):
        find("design").check(SMALL | {"device.read_noise": 1})


def test_examples_are_whole_batches_and_periods():
    def counted(**parameters):
        return design.examples_of(design.train.plan_of({"model": "mlp", **parameters}))

    assert counted() == 32
    assert counted(crs_period=64) == 64
    assert counted(crs_period=12) == 36
    assert counted(crs_period="none") == 32
    assert counted(variant="V2", batch=12, crs_period=16) == 48
    assert counted(variant="V3", batch=64, crs_period=1024) == 64


def test_prices_are_files_of_the_point(tmp_path):
    assert design.files(SMALL) == [FOLDER / "parts.yaml", FOLDER / "panther.yaml"]
    own, base = tmp_path / "own.yaml", tmp_path / "base.yaml"
    base.write_text("name: base\ntitle: b\nextends: panther\n")
    own.write_text("name: own\ntitle: o\nextends: base.yaml\n")
    assert design.files({"design": f"prices={own}"}) == [own, base, FOLDER / "panther.yaml"]


def test_study_has_every_axis():
    study = load(ROOT / "examples/design.study.yaml")
    designs = len(study.points()) // len(study.repeat["seed"])
    assert 150 <= designs <= 250
    said = [design.words_of(design.whole(point)) for point in study.points()]
    for name, least in (("network", 3), ("lines", 3), ("slicing", 4), ("adc", 8), ("mode", 4),
                        ("resolved", 3)):  # fmt: skip
        assert len({words[name] for words in said}) >= least, name
    assert len(study.fronts) == 3


def test_area_is_that_of_what_is_in_use(small):
    prices = load_prices("parts")
    mcu = design.train.plan_of(
        {name: SMALL[name] for name in SMALL if name != "hidden"} | {"model": "mlp"}
    ).mcu
    unit = sum(n * prices.area_m2(name) for name, n in mcu_parts(mcu, prices).items())
    # 65 rows by 28 columns on ten crossbars, 29 by 10 on two
    large = run(hidden=28)
    assert (large["crossbars"], large["cores"], large["tiles"]) == (12, 6, 1)
    # six units more, and three cores without them
    cores = large["area_m2"] - small["area_m2"] - 6 * unit
    assert 0.1 * unit < cores < 30 * unit
