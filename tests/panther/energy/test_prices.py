import pytest

from panther.energy import PRICE_SETS, PriceError, load_prices

MINIMAL = """
name: mine
title: my own
source: my bench, 2026
range: [0.9, 1.1]
range_source: my instruments
cycles: {mvm: 10, mtvm: 10, opa: 5, crs: 20}
components:
  adc:
    area_mm2: 0.001
    leakage_mw: 0.1
    actions:
      convert: {energy_pj: 2, latency_ns: 1}
"""


@pytest.fixture
def price_file(tmp_path):
    def write(text, name="mine.yaml"):
        path = tmp_path / name
        path.write_text(text)
        return path

    return write


@pytest.mark.parametrize("name", PRICE_SETS)
def test_every_price_has_source_and_range(name):
    prices = load_prices(name)
    assert prices.title
    assert prices.cycles_source
    for price in prices.prices():
        assert price.low <= price.value <= price.high
        assert price.source
        assert price.range_source
        if not price.value and not price.included_in:
            # what is free says why
            assert price.name.endswith(".leakage") or price.source.startswith(("assumption", "in "))


def test_figures_of_the_source():
    """Logical operations of 16 bits on eight arrays, in nJ."""
    wanted = {
        "panther": (39.552, 11.366), "digital": (146.250, 37.168), "cmos_opa": (35.072, 37.168),
        "opa_by_mvm": (35.072, 14474.0),
    }  # fmt: skip
    for name, (mvm, opa) in wanted.items():
        prices = load_prices(name)
        assert 128e9 * prices.energy_j("crossbar", "mvm_step") == pytest.approx(mvm, rel=1e-4)
        assert 128e9 * prices.energy_j("crossbar", "mtvm_step") == pytest.approx(mvm, rel=1e-4)
        assert 512e9 * prices.energy_j("crossbar", "pulse") == pytest.approx(opa, rel=1e-4)
    paper = load_prices("panther")
    assert 128e12 * paper.energy_j("crossbar", "row_read") == pytest.approx(6500)
    assert 128e12 * paper.energy_j("crossbar", "row_write") == pytest.approx(22606.33)
    assert 128e9 * paper.latency_s("crossbar", "row_read") == pytest.approx(10250)
    assert 128e9 * paper.latency_s("crossbar", "row_write") == pytest.approx(10968.75)


def test_units_are_si(price_file):
    prices = load_prices(price_file(MINIMAL))
    assert prices.energy_j("adc", "convert") == pytest.approx(2e-12)
    assert prices.latency_s("adc", "convert") == pytest.approx(1e-9)
    assert prices.leakage_w("adc") == pytest.approx(1e-4)
    assert prices.area_m2("adc") == pytest.approx(1e-9)
    price = prices.action("adc", "convert")
    assert (price.low, price.high) == pytest.approx((1.8e-12, 2.2e-12))


def test_a_set_extends_another(price_file):
    text = """
name: better
title: a better converter
extends: mine.yaml
source: a data sheet
components:
  adc:
    actions:
      convert: {energy_pj: 1, latency_ns: 1}
  dac:
    area_mm2: 0.1
    leakage_mw: 0
    range: [1, 1]
    range_source: exact
    actions:
      drive: {energy_pj: 3, latency_ns: 1}
"""
    price_file(MINIMAL.replace("latency_ns: 1}", "latency_ns: 1, included_in: dac.drive}"))
    prices = load_prices(price_file(text, "better.yaml"))
    convert = prices.action("adc", "convert")
    # what is in another price costs nothing, but is remembered; that and the range stay
    assert (convert.value, convert.alone) == (0, pytest.approx(1e-12))
    by_itself = text.replace("latency_ns: 1}", "latency_ns: 1, included_in: null}", 1)
    other = load_prices(price_file(by_itself, "itself.yaml"))
    assert other.action("adc", "convert").value == pytest.approx(1e-12)
    assert (convert.source, convert.range_source) == ("a data sheet", "my instruments")
    assert prices.component("adc").leakage.source == "my bench, 2026"
    assert prices.action("dac", "drive").high == pytest.approx(3e-12)


def test_what_has_no_price_names_the_file(price_file):
    path = price_file(MINIMAL)
    with pytest.raises(PriceError, match=rf"^adc.sing must have a price: add it to {path}, with"):
        load_prices(path).action("adc", "sing")
    with pytest.raises(PriceError, match=rf"^dac must have a price: add it to {path}"):
        load_prices(path).component("dac")


@pytest.mark.parametrize(
    ("old", "new", "place", "message"),
    [
        ("energy_pj: 2", "energy_nj: 2", ":13: ", "Key must be one of energy_pj, "),
        ("energy_pj: 2", "energy_pj: -2", ":13: ", "energy_pj must be a number from 0 on, not -2"),
        (
            "energy_pj: 2",
            "energy_pj: two",
            ":13: ",
            "energy_pj must be a number from 0 on, not 'tw",
        ),
        ("    leakage_mw: 0.1\n", "", ":9: ", "components.adc must have leakage_mw"),
        ("source: my bench, 2026\n", "", ":", "adc.convert must have a source: the place the num"),
        ("[0.9, 1.1]", "[1.1, 1.2]", ":", "two factors around 1, [0.7, 1.4], not [1.1, 1.2]"),
        ("mvm: 10", "mvm: true", ":7: ", "Cycles must be a whole number from 1 on, not True"),
        (", crs: 20", "", ":7: ", "cycles must have crs"),
        ("name: mine", "foreign: 1\nname: mine", ":2: ", "foreign must be true or false, not 1"),
        ("leakage_mw: 0.1", "leakage_mw: .inf", ":11: ", "leakage_mw must be a number from 0 on"),
        ("[0.9, 1.1]", "[0.9, .inf]", ":", "two factors around 1"),
        ("mvm: 10", "mvm: 0", ":7: ", "Cycles must be a whole number from 1 on, not 0"),
        ("mvm: 10", "mwm: 10", ":7: ", "Operation must be one of mvm, mtvm, opa, crs, not mwm"),
        (
            "s: 1}",
            "s: 1, included_in: adc.x}",
            ":13: ",
            "included_in must name an action, not 'adc.x'",
        ),
        ("name: mine", "extends: mine.yaml\nname: mine", " ", "must not extend itself"),
        ("name: mine", "name: [", ":", "YAML: "),
        ("title: my own\n", "", ":2: ", "Price set must have title"),
    ],
)
def test_mistakes_have_file_and_line(price_file, old, new, place, message):
    assert old in MINIMAL
    path = price_file(MINIMAL.replace(old, new))
    with pytest.raises(PriceError) as caught:
        load_prices(path)
    assert str(caught.value).startswith(f"{path}{place}")
    assert message in str(caught.value)


def test_other_machines_say_so():
    foreign = {name for name in PRICE_SETS if load_prices(name).is_foreign}
    assert foreign == {"digital", "digital_mac", "cmos_opa", "opa_by_mvm"}


def test_bytes_that_are_no_text(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_bytes(b"name: \xff")
    with pytest.raises(PriceError, match=r"mine\.yaml cannot be read: it must be UTF-8$"):
        load_prices(path)


def test_unknown_set():
    with pytest.raises(PriceError, match=r"^Price set must be one of cmos_opa, .* or a YAML file"):
        load_prices("gold")
    with pytest.raises(PriceError, match=r"^Price set no\.yaml cannot be read: No such file"):
        load_prices("no.yaml")
