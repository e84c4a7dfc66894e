"""The browser's files come out of wheels, and a book without them is not built."""

import importlib.util
from types import SimpleNamespace

import pytest
from sphinx.errors import ConfigError

from ci import assets


@pytest.fixture
def extension():
    path = assets.ROOT / "book/_ext/crossroads_page.py"
    spec = importlib.util.spec_from_file_location("crossroads_page", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_files_are_copied_once_and_mended(tmp_path):
    assets.copy(tmp_path)
    bundle = tmp_path / "plotly.min.js"
    assert b"plotly.js v" in bundle.read_bytes()[:200]
    assert b"MathJax" in (tmp_path / "tex-svg.js").read_bytes()
    written = bundle.stat().st_mtime_ns
    assets.copy(tmp_path)
    assert bundle.stat().st_mtime_ns == written
    bundle.write_bytes(b"cut short")
    assets.copy(tmp_path)
    assert bundle.stat().st_size > 1e6


def test_a_package_without_its_file_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(assets, "FILES", {"x.js": ("plotly", "plotly/none.js")})
    with pytest.raises(FileNotFoundError, match=r"plotly .* has no plotly/none.js"):
        assets.copy(tmp_path)


def test_a_book_without_them_stops_at_once(tmp_path, extension):
    app = SimpleNamespace(srcdir=tmp_path)
    vendor = tmp_path / "book/_static/vendor"
    vendor.mkdir(parents=True)
    (vendor / "tex-svg.js").touch()
    with pytest.raises(ConfigError, match=r"plotly.min.js missing; run `python -m ci.assets`"):
        extension.check_vendored(app)
    (vendor / "plotly.min.js").touch()
    extension.check_vendored(app)
    assert set(extension.VENDORED) == set(assets.FILES)


def test_pages_lose_thebe_and_keep_the_rest(extension):
    scripts = [SimpleNamespace(filename=name) for name in ("_static/thebe.js", "_static/play.js")]
    context = {"script_files": scripts, "body": '<div role="list"><div role="doc-biblioentry">'}
    extension.tidy(None, "page", "page.html", context, None)
    assert context["script_files"] == scripts[1:]
    assert context["body"] == '<div role="list"><div role="listitem">'
