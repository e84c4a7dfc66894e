"""An interactive figure: its JSON in the page, its numbers as a table, the same bytes every time."""

import json
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest

from crossroads.report import play

DATA = pd.DataFrame({"delay": [0, 7], "alignment": [0.0412345, 0.85], "which": ["</script>", "b & c"]})
NAME, CAPTION, ALT = "fig-demo-delay", "Slide the delay.", 'Alignment rises from "0.04" to 0.85.'


class Page(HTMLParser):
    """Collects the parts of the page that a reader and the script need."""

    def __init__(self, html):
        super().__init__()
        self.ids, self.labels, self.cells, self.script, self.inside = [], [], [], "", ""
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.inside = tag
        self.ids += [value for key, value in attrs if key == "id"]
        self.labels += [value for key, value in attrs if key == "aria-label"]

    def handle_endtag(self, tag):
        self.inside = ""

    def handle_data(self, data):
        if self.inside == "script":
            self.script += data
        elif self.inside in ("td", "th"):
            self.cells.append(data)


@pytest.fixture
def shown(monkeypatch, tmp_path):
    outputs = []
    monkeypatch.setattr(play, "display", lambda data, raw, metadata: outputs.append((data, metadata)))
    figure = go.Figure(go.Scatter(x=np.array([0, 7]), y=np.array([0.04, 0.85]), text=DATA["which"]))
    play.show(figure, NAME, CAPTION, ALT, DATA, tmp_path)
    play.show(figure, NAME, CAPTION, ALT, DATA, tmp_path)
    return outputs


def test_the_page_carries_what_jupyterlab_draws(shown):
    (data, metadata), again = shown
    page = Page(data["text/html"])
    assert json.loads(page.script) == data["application/vnd.plotly.v1+json"]
    assert json.loads(page.script)["data"][0]["text"][0] == "</script>"
    assert metadata["crossroads"] == {"name": NAME, "caption": CAPTION, "alt": ALT}
    assert (data, metadata) == again


def test_it_is_described_and_its_numbers_stand_beside_it(shown, tmp_path):
    page = Page(shown[0][0]["text/html"])
    assert page.ids == [f"{NAME}-plot"]
    assert ALT in page.labels
    assert page.cells[:3] == ["delay", "alignment", "which"]
    assert page.cells[3:6] == ["0", "0.0412", "</script>"]
    assert pd.read_csv(tmp_path / "figures" / f"{NAME}.csv")["alignment"][0] == 0.0412345


def test_a_slider_moves_between_all_positions_in_one_frame_of_reference():
    positions = {str(n): [go.Scatter3d(x=[0, n], y=[0, 1], z=[-1, 0])] for n in (1, 2, 5)}
    figure = play.slider(positions, "delay ", ("a", "b", "c"))
    assert [frame.name for frame in figure.frames] == ["1", "2", "5"]
    assert [step.args[0][0] for step in figure.layout.sliders[0].steps] == ["1", "2", "5"]
    assert figure.data[0].x == (0, 1)
    scene = figure.layout.scene
    for axis, title in zip((scene.xaxis, scene.yaxis, scene.zaxis), "abc", strict=True):
        assert axis.range[0] < -5 < 5 < axis.range[1]
        assert axis.title.text == title


def test_the_figure_given_is_left_as_it_was(monkeypatch, tmp_path):
    monkeypatch.setattr(play, "display", lambda *args, **kwargs: None)
    figure = go.Figure(layout={"width": 500})
    play.show(figure, NAME, CAPTION, ALT, DATA, tmp_path)
    assert figure.layout.width == 500
