import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from crossroads.data.nrrd import read_nrrd

NAMES = {"f8": "double", "f4": "float", "i8": "long long int", "u1": "uchar"}
HEADER = """NRRD0004
# Complete NRRD file format specification at:
# http://teem.sourceforge.net/nrrd/format.html
type: {type}
dimension: {dimension}
sizes: {sizes}
endian: little
encoding: raw
data file: {values}
"""


def write(folder, array, name="field"):
    """An array as the authors' tools write it: C order, the header counting from the fastest axis."""
    array = np.asarray(array)
    little = array.astype(array.dtype.newbyteorder("<"))
    header = folder / f"{name}.nhdr"
    header.with_suffix(".raw").write_bytes(little.tobytes())
    header.write_text(
        HEADER.format(
            type=NAMES[array.dtype.str[1:]],
            dimension=array.ndim,
            sizes=" ".join(str(size) for size in reversed(array.shape)),
            values=f"{name}.raw",
        )
    )
    return header


arrays = st.sampled_from(["<f8", "<f4", "<i8", "|u1"]).flatmap(
    lambda kind: hnp.arrays(
        kind,
        hnp.array_shapes(min_dims=1, max_dims=4, max_side=5),
        elements={"allow_nan": False, "allow_infinity": False} if kind[1] == "f" else None,
    )
)


@given(array=arrays)
def test_what_was_written_comes_back(tmp_path_factory, array):
    found = read_nrrd(write(tmp_path_factory.mktemp("nrrd"), array), "home")
    assert found.dtype == float
    np.testing.assert_array_equal(found, array.astype(float))


def test_the_first_size_is_that_of_the_fastest_axis(tmp_path):
    header = tmp_path / "a.nhdr"
    header.write_text(HEADER.format(type="uchar", dimension=2, sizes="3 2", values="a.raw"))
    (tmp_path / "a.raw").write_bytes(bytes([1, 2, 3, 4, 5, 6]))
    np.testing.assert_array_equal(read_nrrd(header, "home"), [[1, 2, 3], [4, 5, 6]])


@pytest.mark.parametrize("change", [-8, -1, 1, 8])
def test_values_of_another_size_are_refused(tmp_path, change):
    header = write(tmp_path, np.ones((4, 6)))
    raw = header.with_suffix(".raw")
    raw.write_bytes((raw.read_bytes() + bytes(8))[: 192 + change])
    with pytest.raises(
        ValueError, match=rf"field.raw: {192 + change} bytes, .*\(4, 6\) of double, 192 bytes"
    ):
        read_nrrd(header, "home")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("NRRD0004", "P5", "no NRRD header"),
        ("type: double", "", r"missing: \['type'\]"),
        ("type: double", "type: block", "block, little, raw; expected one of double"),
        ("endian: little", "endian: big", "double, big, raw; expected"),
        ("encoding: raw", "encoding: gzip", "double, little, gzip; expected"),
        ("sizes: 6 4", "sizes: 6 four", "sizes '6 four'; expected whole numbers"),
        ("sizes: 6 4", "sizes: -6 -4", "sizes '-6 -4'; expected whole numbers"),
        ("sizes: 6 4", "sizes: 6 5", r"192 bytes, but field.nhdr says \(5, 6\) of double, 240 bytes"),
        ("type: double", "type: float", r"192 bytes, but field.nhdr says \(4, 6\) of float, 96 bytes"),
    ],
)
def test_a_header_that_disagrees_is_one_clear_error(tmp_path, old, new, message):
    header = write(tmp_path, np.ones((4, 6)))
    text = header.read_text()
    assert old in text
    header.write_text(text.replace(old, new))
    with pytest.raises(ValueError, match=message) as caught:
        read_nrrd(header, "home")
    assert "home" in str(caught.value) or "expected one of" in str(caught.value)


def test_missing_files_say_where_to_get_them(tmp_path):
    header = write(tmp_path, np.ones(3))
    header.with_suffix(".raw").unlink()
    with pytest.raises(FileNotFoundError, match="field.raw: no such file, but field.nhdr names it; .*home"):
        read_nrrd(header, "home")
    with pytest.raises(FileNotFoundError, match="none.nhdr: no such file; get it from home"):
        read_nrrd(tmp_path / "none.nhdr", "home")


def test_values_that_are_not_finite_are_counted(tmp_path):
    with pytest.raises(ValueError, match="field.raw: 2 values are not finite"):
        read_nrrd(write(tmp_path, np.array([1, np.nan, np.inf, 2])), "home")


@settings(max_examples=200)
@given(position=st.integers(0, 10_000), value=st.integers(0, 255))
def test_a_changed_byte_of_the_header_never_escapes_as_another_error(tmp_path_factory, position, value):
    header = write(tmp_path_factory.mktemp("damaged"), np.ones((4, 6)))
    content = bytearray(header.read_bytes())
    content[position % len(content)] = value
    header.write_bytes(bytes(content))
    try:
        array = read_nrrd(header, "home")
    except (ValueError, FileNotFoundError) as error:
        message = str(error)
    else:
        message = "field."
        np.testing.assert_array_equal(array, np.ones((4, 6)))
    assert "field." in message or ".raw" in message
