"""A slimmed site shows the same pixels and the same icons."""

import numpy as np
import pytest
from PIL import Image

from ci.light import slim

ICONS = (
    'var a={monero:[496,512,[],"f3d0","M352"],"magnifying-glass":[512,512,[128269,"search"],"f002","M416"],'
    '"sun":[576,512,[9728],"f185",["M1","M2"]],"moon-x":[1,1,["moon"],"f1",["M3","M4"]]}'
)


SCRIPTS = ["_static/doctools", "_static/searchtools", "_static/language_data", "searchindex"]


@pytest.fixture
def site(tmp_path):
    (tmp_path / "_images").mkdir()
    (tmp_path / "chapters").mkdir()
    (tmp_path / "_static/scripts").mkdir(parents=True)
    pixels = np.random.default_rng(1).integers(0, 256, (40, 60, 4), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "_images/a.1-b.png")
    picture = '<a href="../_images/a.1-b.png"><img src="../_images/a.1-b.png"></a>'
    scripts = "".join(f'<script src="../{name}.js"></script>' for name in SCRIPTS)
    page = f'{scripts}<i class="fa-solid fa-search"></i>{picture} c.png'
    (tmp_path / "chapters/one.html").write_text(page)
    (tmp_path / "search.html").write_text(scripts)
    (tmp_path / "_static/scripts/fontawesome.js").write_text(ICONS)
    (tmp_path / "_static/scripts/theme.js").write_text('use("fa-moon")')
    slim(tmp_path)
    return tmp_path, pixels


def test_pictures_are_the_same_to_the_last_pixel_and_every_page_names_them(site):
    folder, pixels = site
    assert [file.name for file in (folder / "_images").iterdir()] == ["a.1-b.webp"]
    assert np.array_equal(np.array(Image.open(folder / "_images/a.1-b.webp")), pixels)
    page = (folder / "chapters/one.html").read_text()
    assert page.count("../_images/a.1-b.webp") == 2
    assert page.endswith("c.png")


def test_icons_that_are_named_by_a_page_or_a_script_keep_their_drawing(site):
    left = (site[0] / "_static/scripts/fontawesome.js").read_text()
    assert left == ICONS.replace('"M352"', '""').replace('["M1","M2"]', '""')


def test_the_index_of_words_is_loaded_by_the_page_that_searches_alone(site):
    assert (
        (site[0] / "chapters/one.html")
        .read_text()
        .startswith('<script src="../_static/doctools.js"></script><i')
    )
    assert (site[0] / "search.html").read_text().count("<script") == len(SCRIPTS)
