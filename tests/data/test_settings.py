import dataclasses
import re
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from crossroads.data import settings
from crossroads.data.settings import check_parameters, data_folder, data_names, load_settings


@dataclasses.dataclass(frozen=True)
class Example:
    n_models: int
    rate_hz: float
    noisy: bool
    cost: str
    delays: list[int]
    span: tuple[float, float]
    levels: tuple[float, ...]


GOOD = {
    "n_models": 3,
    "rate_hz": 0.5,
    "noisy": True,
    "cost": "published",
    "delays": [1, 2],
    "span": [0.0, 1.5],
    "levels": [0.1],
}


def write(folder: Path, block: object, data: object = ("synthetic", "published")) -> None:
    content = {"data": list(data) if isinstance(data, tuple) else data, "sizes": {"ci": block, "book": {}}}
    (folder / "demo.yml").write_text(yaml.safe_dump(content, sort_keys=False))


@given(
    n=st.integers(-(10**9), 10**9),
    rate=st.floats(allow_nan=False, allow_infinity=False),
    noisy=st.booleans(),
    cost=st.text("abc123 :#-", max_size=8),
    delays=st.lists(st.integers(-9, 9), max_size=4),
    span=st.tuples(*[st.floats(-1e6, 1e6)] * 2),
    levels=st.lists(st.floats(-1e6, 1e6), max_size=4).map(tuple),
)
def test_what_yaml_holds_comes_back_with_its_types(
    tmp_path_factory, n, rate, noisy, cost, delays, span, levels
):
    folder = tmp_path_factory.mktemp("sizes")
    values = (n, rate, noisy, cost, delays, span, levels)
    names = [field.name for field in dataclasses.fields(Example)]
    plain = {k: list(v) if isinstance(v, tuple) else v for k, v in zip(names, values, strict=True)}
    write(folder, plain)
    assert load_settings(Example, "demo", "ci", folder=folder) == Example(*values)


def test_whole_number_is_taken_where_a_float_is_wanted(tmp_path):
    write(tmp_path, GOOD | {"rate_hz": 2, "span": [0, 1]})
    found = load_settings(Example, "demo", "ci", folder=tmp_path)
    assert (found.rate_hz, found.span) == (2.0, (0.0, 1.0))
    assert type(found.rate_hz) is float


@pytest.mark.parametrize(
    ("change", "names"),
    [
        ({"n_models": 2.0}, ["n_models", "2.0", "int"]),
        ({"n_models": True}, ["n_models", "True", "int"]),
        ({"rate_hz": False}, ["rate_hz", "False", "float"]),
        ({"rate_hz": "1e-3"}, ["rate_hz", "'1e-3'", "1.0e-3"]),
        ({"noisy": 1}, ["noisy", "1", "bool"]),
        ({"cost": None}, ["cost", "None", "str"]),
        ({"delays": 3}, ["delays", "3", "list[int]"]),
        ({"delays": [1, "2"]}, ["delays", "'2'", "int"]),
        ({"span": [0.0]}, ["span", "[0.0]", "2"]),
        ({"n_model": 1}, ["n_model", "allowed: n_models, rate_hz"]),
    ],
)
def test_wrong_key_or_type_is_named_with_file_and_expectation(tmp_path, change, names):
    write(tmp_path, GOOD | change)
    with pytest.raises(ValueError, match=re.escape(str(tmp_path / "demo.yml"))) as error:
        load_settings(Example, "demo", "ci", folder=tmp_path)
    assert all(name in str(error.value) for name in names)


@pytest.mark.parametrize("key", GOOD)
def test_missing_key_is_named(tmp_path, key):
    write(tmp_path, {k: v for k, v in GOOD.items() if k != key})
    with pytest.raises(ValueError, match=rf"missing keys \['{key}'\]"):
        load_settings(Example, "demo", "ci", folder=tmp_path)


def test_unknown_size_and_chapter_name_what_there_is(tmp_path):
    write(tmp_path, GOOD)
    with pytest.raises(ValueError, match=r"unknown size 'huge'; allowed: ci, book"):
        load_settings(Example, "demo", "huge", folder=tmp_path)
    with pytest.raises(ValueError, match=r"dmeo.yml is missing.*there are: demo"):
        load_settings(Example, "dmeo", "ci", folder=tmp_path)


@pytest.mark.parametrize(
    "text",
    [
        "sizes: {}",
        "data: []\nsizes: {}",
        "data: [a]\nsizes: [ci]",
        "data: [a]\nsizes: {ci: 3}",
        "a: [",
        "7",
        "",
    ],
)
def test_malformed_file_is_named(tmp_path, text):
    (tmp_path / "demo.yml").write_text(text)
    with pytest.raises(ValueError, match="demo.yml"):
        data_names("demo", folder=tmp_path)


def test_parameters_are_checked(tmp_path):
    write(tmp_path, GOOD)
    assert data_names("demo", folder=tmp_path) == ["synthetic", "published"]
    check_parameters("demo", "ci", "published", 0, folder=tmp_path)
    for wrong, message in [
        (("demo", "tiny", "synthetic", 0), "size='tiny'.*ci, book"),
        (("demo", "ci", "real", 0), "data='real'.*synthetic, published"),
        (("demo", "ci", "synthetic", -1), "seed=-1"),
        (("demo", "ci", "synthetic", True), "seed=True"),
        (("demo", "ci", "synthetic", 1.0), "seed=1.0"),
    ]:
        with pytest.raises(ValueError, match=message):
            check_parameters(*wrong, folder=tmp_path)


def test_data_folder_follows_the_variable(tmp_path, monkeypatch):
    monkeypatch.delenv("CROSSROADS_DATA", raising=False)
    assert data_folder("demo") is None
    monkeypatch.setenv("CROSSROADS_DATA", str(tmp_path))
    assert data_folder("demo") is None
    (tmp_path / "demo").mkdir()
    assert data_folder("demo") == tmp_path / "demo"
    monkeypatch.setenv("CROSSROADS_DATA", str(tmp_path / "absent"))
    with pytest.raises(ValueError, match="absent"):
        data_folder("demo")


def test_root_is_the_folder_of_the_project():
    assert (settings.ROOT / "pyproject.toml").is_file()
