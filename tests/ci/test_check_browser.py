"""The browser check finds each kind of offence where it is, and nothing in a sound site."""

import re

import pytest
from playwright.sync_api import sync_playwright

from ci import check_browser
from ci.check_browser import (
    CHECKS,
    barriers,
    chromium,
    focus,
    loading,
    main,
    mathematics,
    offences,
    phone,
    printing,
    search,
    sliders,
    visit,
    weight,
    zoom,
)
from crossroads.data.settings import ROOT

pytestmark = pytest.mark.skipif(not chromium(), reason="no Chromium here (Debian: apt install chromium)")

HEAD = """<!DOCTYPE html>
<html lang="en"><head><title>Title</title><meta name="viewport" content="width=device-width">
<link rel="icon" href="data:,"><link rel="stylesheet" href="book.css"><script src="zoom.js" defer></script>
<script>
const wish = matchMedia("(prefers-color-scheme: dark)");
const follow = () => { document.documentElement.dataset.theme = wish.matches ? "dark" : "light"; };
wish.addEventListener("change", follow);
follow();
</script>
<style>
body { margin: 8px; --pst-color-link: #00c; }
@media screen { html[data-theme="dark"] { color-scheme: dark; background: #111; color: #eee; } }
</style></head><body>
"""
PAGE = """<main><article>
<h1>Title</h1>
<p>A remarkable text with <a href="search.html">a link</a>.</p>
<span class="math"><mjx-container>x</mjx-container></span>
<figure><img src="figure.svg" alt="It rises." width="80" height="40"></figure>
<div class="cr-play">
<div class="cr-plot js-plotly-plot"></div>
<label class="cr-slider">Jitter (cm)
<input type="range" min="0" max="4" value="2" aria-valuetext="2 cm"><output>2 cm</output></label>
<details><summary>The numbers</summary><table><tr><td>1</td></tr></table></details>
</div>
<script>
const range = document.querySelector("input"), plot = document.querySelector(".cr-plot");
const output = document.querySelector("output");
plot.data = [{ y: [2] }];
range.addEventListener("input", () => {
  output.textContent = `${range.value} cm`;
  range.setAttribute("aria-valuetext", `${range.value} cm`);
  plot.data = [{ y: [range.value] }];
});
</script>
<!-- here -->
</article></main>
"""
SEARCH = """<main><h1>Search</h1><div id="search-results"></div><script>
if (location.search.endsWith("=remarkable")) {
  document.querySelector("div").innerHTML = '<a href="index.html?highlight=remarkable">Title</a>';
}
</script></main>"""
FIGURE = '<svg xmlns="http://www.w3.org/2000/svg"><rect width="9" height="9"/></svg>'


@pytest.fixture(scope="module")
def browser():
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium())
        yield browser
        browser.close()


@pytest.fixture
def site(tmp_path, monkeypatch):
    """Writes a site whose first page has something in the place of something else."""
    monkeypatch.setattr(check_browser, "PATIENCE_MS", 500)

    def write(old="<!-- here -->", new=""):
        sound = HEAD + PAGE
        assert sound.count(old) == 1
        (tmp_path / "_static").mkdir()
        for name, text in {
            "index.html": sound.replace(old, new),
            "search.html": HEAD + SEARCH,
            "start.html": '<meta http-equiv="Refresh" content="0; url=index.html">',
            "figure.svg": FIGURE,
            "_static/theme.html": "<img src=https://example.org/no-page.png>",
            "book.css": (ROOT / "book/_static/book.css").read_text(),
            "zoom.js": (ROOT / "book/_static/zoom.js").read_text(),
        }.items():
            (tmp_path / name).write_text(text)
        return tmp_path

    return write


def test_a_sound_site_passes(site, browser):
    assert list(offences(browser, site())) == []


HERE = "<!-- here -->"
SLOW = "for (const start = Date.now(); Date.now() - start < 1200; );"
KEPT_OPEN = "addEventListener('keydown', (event) => event.key === 'Escape' && event.preventDefault())"
LEFT = "const left = () => { document.querySelector('.cr-zoom').disabled = true; };"
LEFT += "addEventListener('keydown', (event) => event.key === 'Escape' && left())"
CUT = '<div id="cut" style="width: 300px; overflow: hidden"><p style="width: 400px">x</p></div>'
SHUT = "html details:not([open]) { display: block !important }"
CODE = """<pre id="code" class="highlight" tabindex="-1" style="width: 90px; overflow: auto; font-size: 40px">
<span class="k">first</span><span class="k">second</span><span>a_long_line_of_code</span></pre>"""
LATE = """<script>
const stop = () => { document.querySelector("#code").tabIndex = 0; };
new MutationObserver(() => setTimeout(stop, 2500)).observe(document.body, { childList: true, subtree: true });
</script>"""
ADDED = [  # the check, what is added to the sound page, and what the check says
    (loading, '<img src="https://example.org/a.png" alt="x">', "^fetches https://example.org/a.png"),
    (loading, '<img src="none.png" alt="x">', "^a file that does not load: none.png"),
    (loading, '<script src="/etc/hostname"></script>', "^a file outside the site: /etc/hostname"),
    (loading, "<script>console.error('no theme')</script>", "^an error on the console: no theme"),
    (loading, "<script>throw Error('bad')</script>", "^an error of a script: bad"),
    (loading, '<div class="cr-plot"></div>', "^an interactive figure that is not drawn"),
    (weight, f"<!-- {'x' * 3_000_000} -->", r"^loads 3\.\d MB of 3.0 allowed; .* is index.html"),
    (mathematics, '<p class="math">x = y</p>', r"^a formula that is not drawn: p\.math: x = y"),
    (sliders, "<script>range.onkeydown = () => false</script>", "by a key: its value, what a screen reader"),
    (sliders, "<style>input { pointer-events: none }</style>", "by a finger: its value, what a screen"),
    (focus, "<style>a:focus { outline: none !important }</style>", "^focus that cannot be seen: a$"),
    (zoom, "<script>HTMLDialogElement.prototype.showModal = () => {}</script>", "does not open by Enter"),
    (zoom, f"<script>{KEPT_OPEN}</script>", "does not close by Escape"),
    (zoom, f"<script>{LEFT}</script>", "the focus does not return"),
    (phone, '<div id="wide" style="width: 500px">x</div>', "^508 wide on a phone of 360: div#wide"),
    (printing, '<nav id="n">x</nav>', "^prints what is for the screen alone: nav#n"),
    (printing, CUT, "^print is cut off: div#cut is 400 wide"),
    (printing, "<style>@media print { h1 { width: 800px } }</style>", "^print is cut off: h1 is 808 wide"),
    (printing, "<style>@media print { body { background: #111 } }</style>", r"^prints on rgb\(17, 17, 17\)"),
    (printing, f"<style>@media print {{ {SHUT} }}</style>", "^prints the handle of what stays shut: details"),
    (barriers, "<script>wish.removeEventListener('change', follow)</script>", "^the theme is not dark"),
    (barriers, '<p style="color: #aaa; background: #fff">pale</p>', "^axe color-contrast .*, in light"),
    (barriers, "<style>@media screen { [data-theme=dark] h1 { color: #222 } }</style>", "h1, in dark"),
    (barriers, CODE, "^axe scrollable-region-focusable .* #code, in light"),
    (barriers, "<style>@media print { h1 { color: #ddd } }</style>", "^axe color-contrast .* h1, in print"),
]
CHANGED = [  # the same with a part of the sound page, and what stands in its place
    (weight, "<main>", f"<script>{SLOW}</script><main>", r"^shows nothing for 1\.\d s of 1.0 allowed"),
    (mathematics, ">x</mjx", '><i data-mml-node="merror">y</i></mjx', r"not drawn: span\.math: y"),
    (sliders, "range.setA", "range.removeA", r"^slider 'Jitter \(cm\)' .*: what a screen reader says stays"),
    (sliders, "output.textContent =", "", "moved by a key: the number shown stays as it was"),
    (sliders, "plot.data = [{ y: [range", "[{ y: [range", "moved by a finger: the figure stays as it was"),
    (barriers, '<label class="cr-slider">Jitter', '<div class="cr-slider">', "^axe label .*, in light"),
    (barriers, '<html lang="en">', "<html>", "^axe html-has-lang .* html, in light"),
]
OFFENCES = [(check, HERE, new, message) for check, new, message in ADDED] + CHANGED


@pytest.mark.parametrize(("check", "old", "new", "message"), OFFENCES, ids=[row[-1] for row in OFFENCES])
def test_each_offence_is_found(site, browser, check, old, new, message):
    seen = visit(browser, site(old, new), "index.html")
    found = list(check(seen))
    seen.page.context.close()
    assert [line for line in found if re.search(message, line)], found


def test_what_the_page_still_puts_among_the_tab_stops_is_waited_for(site, browser, monkeypatch):
    folder = site(HERE, CODE + LATE)
    monkeypatch.setattr(check_browser, "PATIENCE_MS", 30_000)
    assert list(offences(browser, folder)) == []


def test_each_check_is_made_and_tried():
    assert {check for check, *_ in OFFENCES} == set(CHECKS)


def test_offences_are_told_with_their_page(site, browser):
    found = list(offences(browser, site(HERE, '<nav id="n">x</nav>')))
    assert found == ["index.html: prints what is for the screen alone: nav#n"]


def test_a_search_that_does_not_find_is_an_offence(site, browser):
    folder = site("A remarkable text", "An unspeakable text")
    assert list(search(browser, folder, "unspeakable", "index.html")) == [
        "search.html: does not find index.html by 'unspeakable'"
    ]


def test_a_site_without_pages_is_an_offence(tmp_path, browser):
    assert list(offences(browser, tmp_path)) == [f"{tmp_path}: no pages"]


def test_a_missing_browser_is_told_and_is_no_failure(tmp_path, monkeypatch, capsys):
    assert main([]) == 2
    assert main([str(tmp_path / "missing")]) == 2
    monkeypatch.setattr(check_browser, "CHROMIUM", ("no-such-browser",))
    assert main([str(tmp_path)]) == 0
    assert "not checked in a browser: no Chromium" in capsys.readouterr().out.splitlines()[-1]
