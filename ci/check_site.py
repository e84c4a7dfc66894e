"""Checks the built site: `python -m ci.check_site HTML_DIR` prints one line an offence, and fails on any.

Looked for: pictures without alt text or with a file name for one; headings out of order; links and anchors
that lead nowhere inside the site; the same id twice; numbers that were never filled in; anything fetched from
elsewhere.
"""

import re
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from urllib.parse import unquote, urlsplit

LOADS = {  # attributes whose address the browser fetches by itself
    "script": ("src",),
    "img": ("src", "srcset"),
    "iframe": ("src",),
    "source": ("src", "srcset"),
    "video": ("src", "poster"),
    "audio": ("src",),
    "embed": ("src",),
    "object": ("data",),
    "link": ("href",),
}
POINTS = {"canonical", "next", "prev", "search", "author", "license"}  # <link> that only names an address
ELSEWHERE = re.compile(r"^(https?:)?//", re.IGNORECASE)
FETCHED_BY_CSS = re.compile(r"""(?:url\(\s*|@import\s+)["']?(?:https?:)?//""", re.IGNORECASE)
UNFILLED = re.compile(r"KeyError|np\.float(32|64)\(|\{(glue|cite|numref|eq|term|doc|ref)\b[^}]*\}`|\?\?\?")
KEY = re.compile(r"\b[a-z]+(19|20)\d\d\b")  # of a reference: in a title nothing resolves it
NO_TEXT = {"script", "style", "pre", "code"}
Offence = tuple[int, str]


class Page(HTMLParser):
    """What one page holds, with line numbers: ids, links, and offences that show in the page alone."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: dict[str, int] = {}
        self.links: list[tuple[int, str]] = []
        self.offences: list[Offence] = []
        self.redirects = False
        self._headings: list[tuple[int, int, bool]] = []  # line, level, whether in the page's own text
        self._open: list[str] = []  # tags whose text is no prose
        self._in_article = False
        self.feed(text)
        self.close()
        self._check_headings()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        line, given = self.getpos()[0], {name: value or "" for name, value in attrs}
        if "id" in given:
            if given["id"] in self.ids:
                self._note(f"id '{given['id']}' stands already in line {self.ids[given['id']]}")
            self.ids.setdefault(given["id"], line)
        if tag == "a" and "name" in given:
            self.ids.setdefault(given["name"], line)
        if tag == "a" and "href" in given:
            self.links.append((line, given["href"]))
        if tag == "img":
            self._check_picture(given)
        self._in_article |= tag == "article"
        if re.fullmatch("h[1-6]", tag):
            self._headings.append((line, int(tag[1]), self._in_article))
        if tag == "meta" and given.get("http-equiv", "").lower() == "refresh":
            self.redirects = True
            self.links.append((line, given["content"].split("=", 1)[-1].strip("'\" ")))
        self._check_loads(tag, given)
        if {"problematic", "system-message"} & set(given.get("class", "").split()):
            self._note("an unresolved mark (problematic)")
        if tag in NO_TEXT:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if self._open and self._open[-1] == tag:
            self._open.pop()
        if tag == "article":
            self._in_article = False

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] == "style" and FETCHED_BY_CSS.search(data):
            self._note("a style that fetches from elsewhere")
        if self.lasttag == "title" and KEY.search(data):
            self._note(f"a citation in the heading shows as its key in the title: {data.strip()}")
        if not self._open and (found := UNFILLED.search(data)):
            self._note(f"not filled in: {data[max(0, found.start() - 10) : found.end() + 30].strip()!r}")

    def _check_picture(self, given: dict[str, str]) -> None:
        alt = given.get("alt", "").strip()
        if not alt:
            self._note(f"a picture without alt text: {given.get('src', '')[:80]}")
        elif re.search(r"\.(png|svg|jpe?g|gif|webp)$|^[0-9a-f]{16,}$", alt, re.IGNORECASE):
            self._note(f"a picture whose alt text is a file name: {alt}")

    def _check_headings(self) -> None:
        # The theme repeats a page's headings for print, outside its article.
        own = [heading for heading in self._headings if heading[2]] or self._headings
        if not own and not self.redirects:
            self.offences.append((1, "no heading"))
        for (_, before, _), (line, level, _) in pairwise([(0, 0, True), *own]):
            if level > before + 1:
                after = f"h{before}" if before else "none"
                self.offences.append((line, f"heading h{level} after {after}"))
            if level == 1 and before:
                self.offences.append((line, "a second h1"))

    def _check_loads(self, tag: str, given: dict[str, str]) -> None:
        if tag == "link" and set(given.get("rel", "").split()) <= POINTS:
            return
        for name in LOADS.get(tag, ()):
            if ELSEWHERE.match(given.get(name, "").strip()):
                self._note(f"<{tag}> fetches {given[name][:80]}")
        if FETCHED_BY_CSS.search(given.get("style", "")):
            self._note(f"<{tag}> has a style that fetches from elsewhere")

    def _note(self, offence: str) -> None:
        self.offences.append((self.getpos()[0], offence))


def offences(site: Path) -> Iterator[str]:
    """All offences of a site, one line each: page, line, what is wrong."""
    site = site.resolve()
    files = [path for path in sorted(site.rglob("*.html")) if "_static" not in path.parts]
    pages = {path: Page(path.read_text(encoding="utf-8")) for path in files}
    if not pages:
        yield f"{site}: no pages"
    for path, page in pages.items():
        found = page.offences + [
            (line, why) for line, href in page.links if (why := _dead(path, href, pages, site))
        ]
        for line, why in sorted(found):
            yield f"{path.relative_to(site)}:{line}: {why}"
    for path in sorted(site.rglob("*.css")):
        for number, text in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            if FETCHED_BY_CSS.search(text):
                yield f"{path.relative_to(site)}:{number}: a style that fetches from elsewhere"


def _dead(path: Path, href: str, pages: dict[Path, Page], site: Path) -> str:
    """Why a link leads nowhere; empty if it leads somewhere or out of the site."""
    address = urlsplit(href)
    if address.scheme or address.netloc:
        return ""
    target = (path.parent / unquote(address.path)).resolve() if address.path else path
    if not target.is_relative_to(site):
        return f"link out of the site: {href}"
    if not target.is_file():
        return f"link to nothing: {href}"
    anchor = unquote(address.fragment)
    if anchor and target in pages and anchor not in pages[target].ids:
        return f"link to no such place: {href}"
    return ""


def main(arguments: list[str]) -> int:
    if len(arguments) != 1 or not Path(arguments[0]).is_dir():
        print("usage: python -m ci.check_site HTML_DIR")
        return 2
    found = list(offences(Path(arguments[0])))
    print("\n".join(found) if found else f"site checked: {arguments[0]}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
