"""What the figures tell by colour can be told by everybody: seen through simulated colour blindness.

Dichromats are simulated in linear RGB with the matrices of Machado, Oliveira & Fernandes (2009), severity 1.
Differences are CIEDE2000, of which 1 is just seen side by side and 10 at a glance.
"""

import re
from itertools import combinations

import matplotlib as mpl
import numpy as np
import pytest
import seaborn as sns
from skimage.color import deltaE_ciede2000, rgb2lab

from crossroads.data.settings import ROOT

EYES = {
    "trichromat": np.eye(3),
    "protanope": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
    "deuteranope": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
    "tritanope": np.array(
        [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]]
    ),
}
SOURCE = "".join(file.read_text() for file in sorted((ROOT / "lib/crossroads/report").glob("*.py")))
MAPS = sorted(set(re.findall(r'cmap="(\w+)"', SOURCE)) | {"viridis"})  # viridis is the style's own
PALETTES = sorted(set(re.findall(r'palette\("(\w+)"', SOURCE)))


def seen(rgb, eye):
    """Colours (n, 3) in sRGB as such an eye sees them, in CIE Lab."""
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    linear = np.clip(linear @ EYES[eye].T, 0, 1)
    return rgb2lab(np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055))


def test_the_simulation_turns_red_and_green_alike_for_a_deuteranope_alone():
    red_and_green = np.array([[0.75, 0.4, 0.2], [0.55, 0.5, 0.2]])
    apart = {eye: float(deltaE_ciede2000(*seen(red_and_green, eye))) for eye in EYES}
    assert apart["deuteranope"] < apart["tritanope"] / 3
    assert apart["trichromat"] > 20


@pytest.mark.parametrize("eye", EYES)
@pytest.mark.parametrize("name", MAPS)
def test_a_colour_map_gets_lighter_or_darker_all_the_way(name, eye):
    lightness = seen(mpl.colormaps[name](np.linspace(0, 1, 65))[:, :3], eye)[:, 0]
    sides = [lightness[:33], lightness[32:]] if name == "vlag" else [lightness]
    for side in sides:
        assert len(set(np.sign(np.round(np.diff(side), 2))) - {0}) == 1


@pytest.mark.parametrize("eye", EYES)
def test_the_two_signs_of_a_diverging_map_differ(eye):
    colours = mpl.colormaps["vlag"](np.array([0.0, 0.25, 0.75, 1.0]))[:, :3]
    ends = seen(colours, eye)
    assert deltaE_ciede2000(ends[0], ends[3]) > 10
    assert deltaE_ciede2000(ends[1], ends[2]) > 10


@pytest.mark.parametrize("eye", EYES)
@pytest.mark.parametrize("palette", [name for name in PALETTES if name not in MAPS])
def test_the_first_three_colours_of_a_figure_are_told_apart(palette, eye):
    # Later ones come closer: figures with more kinds give each a marker or line style of its own.
    colours = seen(np.array(sns.color_palette(palette, 3)), eye)
    assert min(float(deltaE_ciede2000(a, b)) for a, b in combinations(colours, 2)) > 10
