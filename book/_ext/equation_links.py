"""Sphinx extension of the book: below each labelled equation of a chapter a link to its code and test."""

from typing import Any

from docutils import nodes
from sphinx.application import Sphinx

INDEX = "book/equations"


def link(app: Sphinx, doctree: nodes.document, page: str) -> None:
    """Add the links, where the page that they lead to is built too: a chapter may be built alone."""
    if INDEX not in app.env.found_docs:
        return
    index = app.builder.get_relative_uri(page, INDEX)
    numbers = app.env.toc_fignumbers.get(page, {}).get("displaymath", {})
    for equation in list(doctree.findall(nodes.math_block)):
        label = equation.get("label") or ""
        if label.startswith("eq-"):
            number = ".".join(map(str, numbers[equation["ids"][0]]))
            # Seen it is clear which equation is meant; a screen reader lists links without their place.
            rest = nodes.inline("", f" of equation {number}", classes=["visually-hidden"])
            leads = nodes.reference("", "Code and test", rest, internal=True, refuri=f"{index}#code-{label}")
            line = nodes.paragraph("", "", leads, classes=["cr-code"])
            equation.parent.insert(equation.parent.index(equation) + 1, line)


def reach(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: object) -> None:
    """Let the keyboard scroll the sources: the theme sees to those alone that are wide from the beginning."""
    if page == INDEX:
        context["body"] = context["body"].replace("<pre>", '<pre tabindex="0">')


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("doctree-resolved", link)
    app.connect("html-page-context", reach)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
