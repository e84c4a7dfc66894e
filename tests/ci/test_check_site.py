"""The site check finds each offence where it is, and nothing in a sound site."""

import re
import time

import pytest

from ci.check_site import main, offences

PAGE = """<!DOCTYPE html>
<html><head>
<link rel="stylesheet" href="book.css">
<link rel="canonical" href="https://example.org/">
<script src="book.js" defer></script>
</head><body>
<div class="print"><h1>Title</h1><h2>One</h2></div>
<article>
<h1 id="title">Title</h1>
{body}
<h2 id="one">One</h2>
<p>Text with <a href="#one">an anchor</a>, <a href="sub/other.html#there">another page</a>,
<a href="https://example.org/x">the world</a>, and <a href="mailto:a@example.org">a reader</a>.</p>
<img src="figure.png" alt="It rises from 0 to 1.">
<code>{{glue}}`x` ??? KeyError</code>
</article></body></html>
"""
OTHER = '<html><body><h1>Other</h1><p><a name="there"></a><a href="../index.html">back</a></p></body></html>'
REDIRECT = '<meta http-equiv="Refresh" content="0; url=index.html">'


@pytest.fixture
def site(tmp_path):
    """Writes a site whose first page holds `body` in line 10."""

    def write(body=""):
        (tmp_path / "sub").mkdir(exist_ok=True)
        (tmp_path / "_static").mkdir(exist_ok=True)
        (tmp_path / "index.html").write_text(PAGE.format(body=body))
        (tmp_path / "sub" / "other.html").write_text(OTHER)
        (tmp_path / "start.html").write_text(REDIRECT)
        (tmp_path / "_static" / "theme.html").write_text("<img src=https://example.org/no-page.png>")
        (tmp_path / "book.css").write_text("p { background: url(figure.png) }")
        return tmp_path

    return write


def test_a_sound_site_passes(site, capsys):
    assert list(offences(site())) == []
    assert main([str(site())]) == 0
    assert "site checked" in capsys.readouterr().out


OFFENCES = {
    '<img src="a.png">': "a picture without alt text: a.png",
    '<img src="a.png" alt=" ">': "a picture without alt text: a.png",
    '<img src="a.png" alt="_images/a.PNG">': "a picture whose alt text is a file name: _images/a.PNG",
    f'<img src="a.png" alt="{"0af" * 20}">': f"a picture whose alt text is a file name: {'0af' * 20}",
    "<h3>Three</h3>": "heading h3 after h1",
    "<h1>Again</h1>": "a second h1",
    '<p id="one"></p>': "",
    '<p id="title"></p>': "id 'title' stands already in line 9",
    '<a href="#nowhere">x</a>': "link to no such place: #nowhere",
    '<a href="sub/other.html#here">x</a>': "link to no such place: sub/other.html#here",
    '<a href="missing.html">x</a>': "link to nothing: missing.html",
    '<a href="sub">x</a>': "link to nothing: sub",
    '<a href="../../x.html">x</a>': "link out of the site: ../../x.html",
    "<p>The mean is KeyError: 'mean'.</p>": "not filled in: \"e mean is KeyError: 'mean'.\"",
    "<p>The mean is np.float64(3.2).</p>": "not filled in: 'e mean is np.float64(3.2).'",
    "<p>See {numref}`fig-x`.</p>": "not filled in: 'See {numref}`fig-x`.'",
    "<title>1. Noise: doe1999 - Book</title>": (
        "a citation in the heading shows as its key in the title: 1. Noise: doe1999 - Book"
    ),
    '<span class="problematic">x</span>': "an unresolved mark (problematic)",
    '<script src="https://example.org/a.js"></script>': "<script> fetches https://example.org/a.js",
    '<script src="//example.org/a.js"></script>': "<script> fetches //example.org/a.js",
    '<link rel="stylesheet" href="https://example.org/a.css">': "<link> fetches https://example.org/a.css",
    '<link rel="preconnect" href="https://example.org">': "<link> fetches https://example.org",
    '<iframe src="https://example.org"></iframe>': "<iframe> fetches https://example.org",
    '<img alt="It rises." src="HTTPS://example.org/a.png">': "<img> fetches HTTPS://example.org/a.png",
    '<p style="background: url(https://example.org/a.png)">': "<p> has a style that fetches from elsewhere",
    "<style>@import 'https://example.org/a.css';</style>": "a style that fetches from elsewhere",
}


@pytest.mark.parametrize("body", OFFENCES)
def test_each_offence_is_found_with_page_and_line(site, body):
    message = OFFENCES[body] or "id 'one' stands already in line 10"
    found = list(offences(site(body)))
    line = 11 if body == '<p id="one"></p>' else 10
    assert f"index.html:{line}: {message}" in found
    assert len(found) == 1


def test_a_stylesheet_that_fetches_is_found(site):
    folder = site()
    (folder / "book.css").write_text("p {\n  src: url('https://example.org/font.woff2');\n}")
    assert list(offences(folder)) == ["book.css:2: a style that fetches from elsewhere"]


def test_a_page_without_a_heading_is_found(site):
    folder = site()
    (folder / "bare.html").write_text("<p>text</p>")
    assert list(offences(folder)) == ["bare.html:1: no heading"]


def test_failures_are_told_and_counted(site, tmp_path, capsys):
    assert main([str(site('<img src="a.png">'))]) == 1
    assert re.fullmatch(r"index.html:10: .*\n", capsys.readouterr().out)
    (tmp_path / "empty").mkdir()
    assert main([str(tmp_path / "empty")]) == 1
    assert main([]) == 2
    assert main([str(tmp_path / "missing")]) == 2


def test_a_large_site_takes_under_two_seconds(site, tmp_path):
    folder = site("<p>words and <b>more</b> words</p>\n" * 500)
    for i in range(36):
        (folder / f"page{i}.html").write_text((folder / "index.html").read_text())
    start = time.perf_counter()
    assert list(offences(folder)) == []
    assert time.perf_counter() - start < 2
