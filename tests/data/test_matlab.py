import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.io import savemat

from crossroads.data.matlab import read_matlab

RATES = np.arange(24.0).reshape(8, 3)


def written(folder, compressed=True, **arrays):
    path = folder / "file.mat"
    savemat(path, arrays, do_compression=compressed)
    return path


def test_reads_the_named_arrays_in_order(tmp_path):
    path = written(tmp_path, a=RATES.astype(np.float32), b=np.int16([[3, 4]]), c="text")
    b, a = read_matlab(path, ["b", "a"], "home")
    assert a.dtype == b.dtype == float
    np.testing.assert_array_equal(a, RATES)
    np.testing.assert_array_equal(b, [[3, 4]])


@pytest.mark.parametrize(
    ("array", "message"),
    [
        ("text", "holds <U4, expected real numbers"),
        (np.ones((2, 2)) * 1j, "holds complex128, expected real numbers"),
        (np.array([{"a": 1}], object), "expected real numbers"),
        (np.array([[1.0, np.nan, np.inf]]), "2 NaN or infinite values of 3, expected none"),
    ],
)
def test_refuses_what_is_not_finite_real_numbers(tmp_path, array, message):
    path = written(tmp_path, x=array)
    with pytest.raises(ValueError, match=message) as caught:
        read_matlab(path, ["x"], "home")
    assert str(path) in str(caught.value)


def test_names_what_is_there_when_a_variable_is_missing(tmp_path):
    with pytest.raises(ValueError, match=r"no variable 'b'; found \['a'\], expected \['a', 'b'\]"):
        read_matlab(written(tmp_path, a=RATES), ["a", "b"], "home")


def test_missing_file_says_where_to_get_it(tmp_path):
    with pytest.raises(FileNotFoundError, match="none.mat: no such file; get it from home"):
        read_matlab(tmp_path / "none.mat", ["a"], "home")


@pytest.mark.parametrize("compressed", [True, False])
def test_every_truncation_is_one_clear_error(tmp_path, compressed):
    path = written(tmp_path, compressed, x=np.random.default_rng(0).random((8, 40)))
    whole = path.read_bytes()
    for length in range(0, len(whole) - 8, 53):
        path.write_bytes(whole[:length])
        with pytest.raises(ValueError, match="file.mat: (not readable|no variable)"):
            read_matlab(path, ["x"], "home")


def test_version_7_3_is_named_as_unreadable(tmp_path):
    path = tmp_path / "hdf5.mat"
    path.write_bytes(b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM" + b"\x89HDF\r\n\x1a\n".rjust(392))
    with pytest.raises(ValueError, match="not readable as a MATLAB v5 file"):
        read_matlab(path, ["x"], "home")


@given(position=st.integers(0, 10_000), value=st.integers(0, 255))
def test_a_changed_byte_never_escapes_as_another_error(tmp_path_factory, position, value):
    path = written(tmp_path_factory.mktemp("damaged"), x=RATES)
    content = bytearray(path.read_bytes())
    content[position % len(content)] = value
    path.write_bytes(bytes(content))
    try:
        (array,) = read_matlab(path, ["x"], "home")
    except ValueError as error:
        message = str(error)
    else:
        message = "file.mat" if np.isfinite(array).all() else "NaN let through"
    assert "file.mat" in message
