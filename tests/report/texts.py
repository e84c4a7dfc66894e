"""What the text of every figure must obey."""

from itertools import combinations

from matplotlib.figure import Figure
from matplotlib.text import Text

from crossroads.report import figures


def check_texts(fig: Figure) -> list[Text]:
    """Assert that texts are large enough, inside the figure and apart; returns those not of ticks."""
    fig.draw_without_rendering()
    ticks = [t for ax in fig.axes for a in (ax.xaxis, ax.yaxis) for t in a.get_ticklabels(which="both")]
    texts = [t for t in fig.findobj(Text) if t.get_visible() and t.get_text() and t not in ticks]
    for text in texts:
        assert text.get_fontsize() >= figures.SMALLEST, text.get_text()
        (left, bottom), (right, top) = text.get_window_extent().get_points()
        assert min(left, bottom) >= 0, text.get_text()
        assert max(right - fig.bbox.x1, top - fig.bbox.y1) <= 0, text.get_text()
    for one, two in combinations(texts, 2):
        assert not one.get_window_extent().overlaps(two.get_window_extent()), (one.get_text(), two.get_text())
    return texts
