"""Makes a built site lighter, so that nothing looks different: `slim` is called by `ci.site`."""

import re
from pathlib import Path

from PIL import Image

ICON = re.compile(r'("?)([a-z0-9-]+)\1:\[\d+,\d+,\[([^\]]*)\],"[0-9a-f]*",("[^"]*"|\[[^\]]*\])\]')
SEARCHES = re.compile(
    r'<script src="[./]*(?:_static/searchtools|_static/language_data|searchindex)\.js"></script>\n?'
)


def slim(site: Path) -> None:
    """Pictures as WebP, the same to the last pixel; icons that are used; the index where it is searched."""
    pictures(site)
    pages(site)
    icons(site)


def pictures(site: Path) -> None:
    """Turn each PNG in _images into lossless WebP, less than half as large."""
    for picture in (site / "_images").glob("*.png"):
        with Image.open(picture) as image:
            image.save(picture.with_suffix(".webp"), lossless=True, exact=True)
        picture.unlink()


def pages(site: Path) -> None:
    """Name the pictures anew, and leave the index of words to the search page.

    Others have the index for a search as you type, which is off.
    """
    for page in site.rglob("*.html"):
        text = re.sub(r"(_images/[\w.-]+)\.png", r"\1.webp", page.read_text(encoding="utf-8"))
        page.write_text(text if page.name == "search.html" else SEARCHES.sub("", text), encoding="utf-8")


def icons(site: Path) -> None:
    """Empty the drawings of icons that no page or script names: nine tenths of the theme's largest script."""
    drawings = site / "_static/scripts/fontawesome.js"
    namers = [*site.rglob("*.html"), *(file for file in (site / "_static").rglob("*.js") if file != drawings)]
    used = {
        name for file in namers for name in re.findall(r"fa-([a-z0-9-]+)", file.read_text(encoding="utf-8"))
    }

    def kept(icon: re.Match[str]) -> str:
        names = {icon[2], *re.findall(r'"([^"]+)"', icon[3])}
        return icon[0] if names & used else icon[0].replace(icon[4], '""')

    drawings.write_text(ICON.sub(kept, drawings.read_text(encoding="utf-8")), encoding="utf-8")
