import platform

import numpy as np

from crossroads.data.versions import versions


def test_versions_are_those_that_the_packages_tell():
    found = versions()
    assert found["python"] == platform.python_version()
    assert found["numpy"] == np.__version__
    assert "jupyter-book" not in found
