"""Checks the built site in a browser: `python -m ci.check_browser HTML_DIR` prints one line an offence.

Every page is opened from disk in the system's Chromium, with the network off. Looked for: anything fetched
from elsewhere, files that do not load, errors of scripts; pages that are heavy or slow; mathematics that is
not drawn; sliders that do not move by key and by touch, or do not say where they stand; focus that cannot be
seen; figures that do not open and close by keyboard; pages that scroll sideways on a phone; print that is
dark, cut off or full of buttons; barriers that axe finds (WCAG 2.1 A and AA) in light and in dark; a search
that does not find.
"""

import re
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal
from urllib.parse import unquote, urlsplit

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Locator, Page, TimeoutError, sync_playwright

CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
DESK, PHONE, PAPER = 1280, 360, 680  # widths in CSS pixels; the last is A4 without its margins
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
BARRIERS = {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]}
LARGEST_MB = 3.0
SLOWEST_S = 1.0
SHARED = ("tex-svg.js", "plotly.min.js")  # loaded once for the whole book: they weigh on no page
PATIENCE_MS = 30_000  # for what a page does by itself, on a machine that has other things to do

# What the scripts below share: the name of an element for people (the nearest id, then its own tag and
# classes), whether it shows, and the end of all that is still moving.
HELP = """
window.where = (element) => {
  const own = element.localName + [...element.classList].map((name) => "." + name).join("");
  const near = element.closest("[id]");
  return near === element ? `${own}#${element.id}` : near ? `#${near.id} ${own}` : own;
};
window.seen = (element) => element.checkVisibility({ visibilityProperty: true, opacityProperty: true });
window.rest = () => document.getAnimations().forEach((animation) => animation.finish());
"""

# One control of each kind has to look different with the focus on it. A tab shows its focus on its label.
UNFOCUSED = """() => {
  const all = "a[href], audio, button, input, select, summary, [tabindex='0']";
  const kinds = new Map();
  for (const element of document.querySelectorAll(all)) {
    const kind = element.localName + element.className;
    if (element.checkVisibility({ visibilityProperty: true }) && !kinds.has(kind)) kinds.set(kind, element);
  }
  const look = (element) => {
    rest();
    const style = getComputedStyle(element.type === "radio" ? element.labels[0] : element);
    const outline = style.outlineStyle === "none" ? "" : style.outline;
    return [outline, style.boxShadow, style.border, style.backgroundColor, style.textDecoration].join();
  };
  const same = (element) => {
    document.activeElement.blur();
    const before = look(element);
    element.focus();
    return look(element) === before;
  };
  return [...kinds.values()].filter(same).map(where);
}"""
UNDRAWN = """() => [...document.querySelectorAll(".math")]
  .filter((place) => !place.querySelector("mjx-container") || place.querySelector("[data-mml-node=merror]"))
  .map((place) => `${where(place)}: ${place.textContent.trim().slice(0, 40)}`)"""
SLIDER = """(range) => ({
  name: range.labels[0]?.firstChild.textContent.trim() ?? where(range),
  "its value": range.value,
  "what a screen reader says": range.getAttribute("aria-valuetext"),
  "the number shown": range.parentElement.querySelector("output")?.textContent,
  "the figure": JSON.stringify(range.closest(".cr-play").querySelector(".cr-plot").data),
})"""
FIGURE_MOVED = """([range, drawn]) =>
  JSON.stringify(range.closest(".cr-play").querySelector(".cr-plot").data) !== drawn"""
# What sticks out of a phone's screen, unless it scrolls or is cut off inside a box of its own.
WIDEST = """(width) => {
  const boxed = (element) => element.parentElement.closest("body *") &&
    (getComputedStyle(element.parentElement).overflowX !== "visible" || boxed(element.parentElement));
  const right = (element) => element.getBoundingClientRect().right + scrollX;
  const wide = [...document.querySelectorAll("body *")]
    .filter((element) => right(element) > width + 1 && seen(element) && !boxed(element));
  return wide.sort((a, b) => right(b) - right(a)).slice(0, 1).map(where).join();
}"""
PRINTED = """(width) => {
  const all = (kinds) => [...document.querySelectorAll(kinds)].filter(seen);
  const screen_only = "nav, button:not(.cr-zoom), select, input, audio, [role=search], [class*=bd-sidebar]";
  const cut = all("body *:not(svg *, mjx-assistive-mml, mjx-assistive-mml *)").filter(
    (element) =>
      element.getBoundingClientRect().right > width + 1 ||
      (element.clientWidth > 1 && // narrower is what only a screen reader is to find
        element.scrollWidth > element.clientWidth + 1 &&
        getComputedStyle(element).overflowX !== "visible"),
  );
  const size = (element) => Math.max(element.getBoundingClientRect().right, element.scrollWidth);
  const colour = getComputedStyle(document.body).backgroundColor;
  const white = ["rgb(255, 255, 255)", "rgba(0, 0, 0, 0)"].includes(colour);
  return [
    ...all(screen_only).map((element) => `prints what is for the screen alone: ${where(element)}`),
    ...cut.sort((a, b) => size(b) - size(a)).slice(0, 1)
      .map((element) => `print is cut off: ${where(element)} is ${Math.round(size(element))} wide`),
    ...(white ? [] : [`prints on ${colour}, not on white`]),
  ];
}"""
SHUT = """() => {
  const all = [...document.querySelectorAll("details")];
  all.forEach((details) => (details.open = false));
  const found = all.filter((details) => seen(details.firstElementChild) && !seen(details.lastElementChild));
  const places = found.map(where);
  all.forEach((details) => (details.open = true));
  return places;
}"""
# The theme puts what scrolls among the tab stops, a moment after the width or the page has changed.
STOPS_SET = """() => [...document.querySelectorAll("[tabindex='-1']")].every(
  (element) => element.scrollWidth <= element.clientWidth && element.scrollHeight <= element.clientHeight
)"""
# Axe takes a minute for thousands of words of code and rows of numbers that look alike: a few of each stay.
THIN = """() => {
  const met = new Set();
  for (const word of document.querySelectorAll(".highlight span")) {
    if (met.has(word.className)) word.remove();
    met.add(word.className);
  }
  document.querySelectorAll(".cr-play details tr:nth-child(n+6)").forEach((row) => row.remove());
}"""


@dataclass
class Visit:
    """A page that is open, the files it has loaded, and what went wrong by itself."""

    page: Page
    site: Path
    files: set[Path] = field(default_factory=set)
    problems: list[str] = field(default_factory=list)
    paint_s: float = float("inf")

    def look(
        self,
        width: int = DESK,
        scheme: Literal["light", "dark"] = "light",
        media: Literal["screen", "print"] = "screen",
    ) -> None:
        """Show the page in this width, theme and medium, with everything at rest."""
        self.page.emulate_media(color_scheme=scheme, media=media)
        self.page.set_viewport_size({"width": width, "height": 900})  # figures follow this alone
        self.page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
        self.page.evaluate("rest()")


def visit(browser: Browser, site: Path, address: str) -> Visit:
    """Open a page and all that is shut in it; wait for its mathematics and its interactive figures."""
    context = browser.new_context(offline=True, has_touch=True)
    context.add_init_script(HELP)
    page = context.new_page()
    seen = Visit(page, site)

    def requested(url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme == "file":
            seen.files.add(Path(unquote(parts.path)))
        elif parts.scheme not in ("data", "blob"):
            seen.problems.append(f"fetches {url[:80]}")

    def failed(url: str) -> None:
        if url.startswith("file:"):
            seen.problems.append(f"a file that does not load: {Path(unquote(urlsplit(url).path)).name}")

    def said(kind: str, text: str) -> None:
        # A file that does not load has its own message.
        if kind == "error" and not text.startswith("Failed to load resource"):
            seen.problems.append(f"an error on the console: {text[:200]}")

    page.on("request", lambda request: requested(request.url))
    page.on("requestfailed", lambda request: failed(request.url))
    page.on("console", lambda message: said(message.type, message.text))
    page.on("pageerror", lambda error: seen.problems.append(f"an error of a script: {error}"[:200]))
    seen.look()
    for _ in range(3):
        page.goto(f"{site.as_uri()}/{address}")
        page.wait_for_function("performance.getEntriesByName('first-contentful-paint').length")
        painted = page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime")
        seen.paint_s = min(seen.paint_s, painted / 1000)
        if seen.paint_s < SLOWEST_S:
            break
    page.evaluate("document.querySelectorAll('details').forEach((details) => (details.open = true))")
    page.evaluate("window.MathJax?.startup?.promise")
    for plot in page.locator(".cr-plot").all():
        plot.scroll_into_view_if_needed()
    try:
        drawn = "() => !document.querySelector('.cr-plot:not(.js-plotly-plot)')"
        page.wait_for_function(drawn, timeout=PATIENCE_MS)
    except TimeoutError:
        seen.problems.append("an interactive figure that is not drawn")
    return seen


def loading(seen: Visit) -> Iterator[str]:
    """What the page fetched from elsewhere, what did not load, and errors."""
    yield from dict.fromkeys(seen.problems)
    for file in sorted(seen.files):
        if not file.is_relative_to(seen.site):
            yield f"a file outside the site: {file}"


def weight(seen: Visit) -> Iterator[str]:
    """Too many bytes, or a page that shows nothing for too long."""
    own = [file for file in seen.files if file.is_file() and file.name not in SHARED]
    megabytes = sum(file.stat().st_size for file in own) / 1e6
    if megabytes > LARGEST_MB:
        largest = max(own, key=lambda file: file.stat().st_size)
        yield f"loads {megabytes:.1f} MB of {LARGEST_MB} allowed; the largest file is {largest.name}"
    if seen.paint_s > SLOWEST_S:
        yield f"shows nothing for {seen.paint_s:.1f} s of {SLOWEST_S} allowed"


def mathematics(seen: Visit) -> Iterator[str]:
    """Formulas that MathJax left alone or found faulty."""
    for place in seen.page.evaluate(UNDRAWN):
        yield f"a formula that is not drawn: {place}"


def sliders(seen: Visit) -> Iterator[str]:
    """Sliders that stand still under a key or a finger, or whose numbers or figure do."""
    page = seen.page

    def press(slider: Locator) -> None:
        at_end = slider.evaluate("(range) => range.value === range.max")
        slider.press("ArrowLeft" if at_end else "ArrowRight")

    def tap(slider: Locator) -> None:
        low = slider.evaluate("(range) => range.value - range.min < range.max - range.value")
        width, height = slider.evaluate("(range) => [range.offsetWidth, range.offsetHeight]")
        slider.tap(position={"x": (0.9 if low else 0.1) * width, "y": height / 2}, force=True)

    for slider in page.locator(
        ".cr-slider input:not([max='0'])"
    ).all():  # with a single position there is none
        for how, move in (("a key", press), ("a finger", tap)):
            before = slider.evaluate(SLIDER)
            move(slider)
            with suppress(TimeoutError):  # told below, with what else stands still
                drawn = [slider.element_handle(), before["the figure"]]
                page.wait_for_function(FIGURE_MOVED, arg=drawn, timeout=PATIENCE_MS)
            after = slider.evaluate(SLIDER)
            still = [part for part in before if part != "name" and after[part] == before[part]]
            if still:
                yield f"slider {before['name']!r} moved by {how}: {', '.join(still)} stays as it was"


def focus(seen: Visit) -> Iterator[str]:
    """Controls that look the same with the focus on them."""
    seen.page.keyboard.press("Tab")  # browsers show the focus to those who use the keyboard
    for place in seen.page.evaluate(UNFOCUSED):
        yield f"focus that cannot be seen: {place}"


def zoom(seen: Visit) -> Iterator[str]:
    """A figure that does not open by Enter, or not close by Escape, or leaves the reader elsewhere."""
    page = seen.page
    figure = page.locator(".cr-zoom:visible").first
    if not figure.count():
        return
    figure.press("Enter")
    if not page.locator("dialog[open]").count():
        yield "a figure does not open by Enter"
        return
    page.keyboard.press("Escape")
    if page.locator("dialog[open]").count():
        yield "an enlarged figure does not close by Escape"
    elif not figure.evaluate("(button) => document.activeElement === button"):
        yield "the focus does not return to the figure that was enlarged"


def phone(seen: Visit) -> Iterator[str]:
    """A page that scrolls sideways on a phone."""
    seen.look(PHONE)
    try:  # figures follow the width after a while
        fits = f"document.documentElement.scrollWidth <= {PHONE}"
        seen.page.wait_for_function(fits, timeout=PATIENCE_MS)
    except TimeoutError:
        width = seen.page.evaluate("document.documentElement.scrollWidth")
        yield f"{width} wide on a phone of {PHONE}: {seen.page.evaluate(WIDEST, PHONE)}"


def printing(seen: Visit) -> Iterator[str]:
    """Print of a dark page that is dark, cut off, or shows controls, or handles without what they open."""
    seen.look(PAPER, "dark", "print")
    with suppress(TimeoutError):  # figures follow the width after a while
        sound = f"(width) => !({PRINTED})(width).length"
        seen.page.wait_for_function(sound, arg=PAPER, timeout=PATIENCE_MS, polling=100)
    yield from seen.page.evaluate(PRINTED, PAPER)
    for place in seen.page.evaluate(SHUT):
        yield f"prints the handle of what stays shut: {place}"


def barriers(seen: Visit) -> Iterator[str]:
    """What axe finds with everything opened: in light, in dark, and what is too pale when dark is printed."""
    seen.page.evaluate(THIN)
    for scheme in SCHEMES:
        seen.look(scheme=scheme)
        if seen.page.evaluate("document.documentElement.dataset.theme") != scheme:
            yield f"the theme is not {scheme} for a reader who asks for it"
        with suppress(TimeoutError):  # told by axe
            seen.page.wait_for_function(STOPS_SET, timeout=PATIENCE_MS)
        yield from (f"{found}, in {scheme}" for found in _axe(seen.page, BARRIERS))
    seen.look(PAPER, "dark", "print")
    yield from (f"{found}, in print" for found in _axe(seen.page, ["color-contrast"]))


def _axe(page: Page, only: object) -> Iterator[str]:
    found = Axe().run(page, options={"runOnly": only, "resultTypes": ["violations"]})
    for violation in found.response["violations"]:
        nodes = violation["nodes"]
        where = " ".join(map(str, nodes[0]["target"]))
        places = f"at {len(nodes)} places, first " if len(nodes) > 1 else ""
        yield f"axe {violation['id']} ({violation['help']}) {places}{where}"


# Those that change how the page looks come late, the one that thins it out last.
CHECKS: tuple[Callable[[Visit], Iterator[str]], ...] = (
    loading,
    weight,
    mathematics,
    sliders,
    focus,
    zoom,
    phone,
    printing,
    barriers,
)


def page_offences(browser: Browser, site: Path, address: str) -> Iterator[str]:
    """All offences of one page of a site, one line each: page, what, where."""
    seen = visit(browser, site, address)
    for check in CHECKS:
        yield from (f"{address}: {what}" for what in check(seen))
    seen.page.context.close()


def search(browser: Browser, site: Path, word: str, address: str) -> Iterator[str]:
    """A search that does not find a page by a word that stands on it."""
    seen = visit(browser, site, f"search.html?q={word}")
    try:
        seen.page.locator(f"#search-results a[href*='{address}']").first.wait_for(timeout=PATIENCE_MS)
    except TimeoutError:
        yield f"search.html: does not find {address} by {word!r}"
    seen.page.context.close()


def offences(browser: Browser, site: Path) -> Iterator[str]:
    """All offences of a site."""
    site = site.resolve()
    files = [path for path in sorted(site.rglob("*.html")) if "_static" not in path.parts]
    texts = {path.relative_to(site).as_posix(): path.read_text(encoding="utf-8") for path in files}
    pages = {address: text for address, text in texts.items() if 'http-equiv="refresh"' not in text.lower()}
    if not pages:
        yield f"{site}: no pages"
    for address in pages:
        yield from page_offences(browser, site, address)
    # A word of plain text, and a page that has it.
    prose = {address: " ".join(re.findall(r"<p>([^<]+)", text)) for address, text in pages.items()}
    words = [(word, address) for address, text in prose.items() for word in re.findall(r"\b[a-z]+\b", text)]
    if words:
        yield from search(browser, site, *max(words, key=lambda found: len(found[0])))


def chromium() -> str | None:
    """The path of the Chromium that the system has."""
    return next(filter(None, map(shutil.which, CHROMIUM)), None)


def main(arguments: list[str]) -> int:
    if len(arguments) != 1 or not Path(arguments[0]).is_dir():
        print("usage: python -m ci.check_browser HTML_DIR")
        return 2
    program = chromium()
    if not program:
        print("site not checked in a browser: no Chromium here; install it (Debian: apt install chromium)")
        return 0
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program)
        found = []
        for offence in offences(browser, Path(arguments[0])):
            print(offence, flush=True)
            found.append(offence)
        browser.close()
    if not found:
        print(f"site checked in a browser: {arguments[0]}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
