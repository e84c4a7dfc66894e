"""Sphinx extension of the book: pages load only what lies in the book, and offer what a chapter is made of.

Every chapter offers its notebook with results, its source, its claims and the numbers behind its figures. All
lie in the site and are linked relatively, so that they can be had from disk.

Buttons that lead to a repository stand only where _config.yml has its address. The launch buttons open the
notebook that is published with the site, on the branch that _config.yml names. On Binder it runs with the
environment.yml that then lies at the root of the site and installs the library from the repository; that
cannot be tried before both are published.
"""

import re
import shutil
from html import escape
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.errors import ConfigError

VENDORED = ("tex-svg.js", "plotly.min.js")
OFFERED = {  # file in the sources: name in the site, kind, what it is, icon
    "notebooks/{}.py": ("{}.py", ".py", "source of the notebook", "fas fa-code"),
    "notebooks/{}.claims.yml": ("{}.claims.yml", ".claims.yml", "claims and their rules", "fas fa-list"),
    "chapters/_{}.zip": ("{}-numbers.zip", ".zip", "numbers behind the figures", "fas fa-table"),
}


def check_vendored(app: Sphinx) -> None:
    """Stop before building a book without mathematics or interactive figures."""
    folder = Path(app.srcdir) / "book/_static/vendor"
    missing = [name for name in VENDORED if not (folder / name).is_file()]
    if missing:
        raise ConfigError(f"{folder}: {', '.join(missing)} missing; run `python -m ci.assets` first")


def choose_buttons(app: Sphinx, config: Config) -> None:
    """Take out the buttons that would lead to a repository, where none is configured."""
    if not config.html_theme_options["repository_url"]:
        none = {"launch_buttons": {}, "use_repository_button": False, "use_edit_page_button": False}
        config.html_theme_options.update(none)


def write_environment(app: Sphinx) -> None:
    """Put the repository's environment.yml in the site, so changed that it installs from the repository."""
    if url := app.config.html_theme_options["repository_url"].strip("/"):
        text = (Path(app.srcdir) / "environment.yml").read_text(encoding="utf-8")
        text = text.replace("-c ", f"-c {url}/raw/HEAD/")
        # In two lines: pip has changed its mind on how extras stand in an editable address.
        text = re.sub(r"( *- )-e \.(.*)", rf"\1-e git+{url}#egg=crossroads\n\1crossroads\2", text)
        (Path(app.outdir) / "environment.yml").write_text(text, encoding="utf-8")


def tidy(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: object) -> None:
    """Take out the scripts for running cells (they come twice, for no server), and mend citation lists."""
    scripts = context["script_files"]
    context["script_files"] = [script for script in scripts if "thebe" not in str(vars(script))]
    # docutils gives the items of these lists a role that ARIA has given up.
    context["body"] = context.get("body", "").replace('role="doc-biblioentry"', 'role="listitem"')


def offer_downloads(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: object) -> None:
    """Put a chapter's files in the site, and links to them in the download menu and at the page's end."""
    folder, _, chapter = page.partition("/")
    if folder != "chapters":
        return
    files = [(f"_sources/{page}.ipynb", ".ipynb", "notebook with its results", "fas fa-book")]
    for source, (name, *about) in OFFERED.items():
        if (file := Path(app.srcdir) / source.format(chapter)).is_file():
            target = f"_downloads/{name.format(chapter)}"
            (Path(app.outdir) / target).parent.mkdir(exist_ok=True)
            shutil.copyfile(file, Path(app.outdir) / target)
            files.append((target, *about))
    links, buttons = [], []
    for target, kind, what, icon in files:
        url = context["pathto"](target, 1)
        links.append(f'<a href="{escape(url)}" download>{what}</a> ({kind})')
        tooltip = f"Download {what}"
        buttons.append({"type": "link", "url": url, "text": kind, "tooltip": tooltip, "icon": icon})
    context["body"] += f'\n<p class="cr-downloads">To take with you: {", ".join(links)}.</p>\n'
    menu = next(button for button in context["header_buttons"] if button.get("label") == "download-buttons")
    # Of the theme's own entries only printing stays: it offers the notebook as its own source.
    menu["buttons"] = buttons + [button for button in menu["buttons"] if button["type"] == "javascript"]


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("config-inited", choose_buttons)
    app.connect("builder-inited", check_vendored)
    app.connect("builder-inited", write_environment)
    app.connect("html-page-context", tidy, priority=900)
    app.connect("html-page-context", offer_downloads, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
