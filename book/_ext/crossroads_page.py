"""Sphinx extension of the book: pages load only what lies in the book, and no script twice."""

from pathlib import Path
from typing import Any

from sphinx.application import Sphinx
from sphinx.errors import ConfigError

VENDORED = ("tex-svg.js", "plotly.min.js")


def check_vendored(app: Sphinx) -> None:
    """Stop before building a book without mathematics or interactive figures."""
    folder = Path(app.srcdir) / "book/_static/vendor"
    missing = [name for name in VENDORED if not (folder / name).is_file()]
    if missing:
        raise ConfigError(f"{folder}: {', '.join(missing)} missing; run `python -m ci.assets` first")


def tidy(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: object) -> None:
    """Take out the scripts for running cells (they come twice, for no server), and mend citation lists."""
    scripts = context["script_files"]
    context["script_files"] = [script for script in scripts if "thebe" not in str(vars(script))]
    # docutils gives the items of these lists a role that ARIA has given up.
    context["body"] = context.get("body", "").replace('role="doc-biblioentry"', 'role="listitem"')


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("builder-inited", check_vendored)
    app.connect("html-page-context", tidy, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
