import re
from xml.etree import ElementTree

import pytest

from lib.report.charts import Series, bar_chart, line_chart


def svg_of(figure):
    return ElementTree.fromstring(re.search(r"<svg.*</svg>", figure).group())


def points_of(figure):
    lines = svg_of(figure).iter("polyline")
    return [[tuple(map(float, p.split(","))) for p in li.get("points").split()] for li in lines]


def test_points_lie_where_their_values_say():
    chart = line_chart(
        "t",
        [Series("a", [0, 5, 10], [0, 1, 0.5]), Series("b", [0, 10], [0.5, 0.5])],
        x_label="x",
        x_range=(0, 10),
        y_range=(0, 1),
    )
    first, second = points_of(chart)
    (x0, y0), (x1, y1), (x2, y2) = first
    assert x1 - x0 == pytest.approx(x2 - x1, abs=0.2)
    assert y2 - y1 == pytest.approx(y0 - y2, abs=0.2)  # down is more in SVG
    assert second[0][1] == pytest.approx(y2)
    assert ">a</li>" in chart
    assert ">b</li>" in chart


def test_what_cannot_be_drawn_is_left_out():
    nan = float("nan")
    assert line_chart("t", [Series("a", [1, 2], [nan, nan])], x_label="x") == ""
    assert line_chart("t", [], x_label="x") == ""
    (points,) = points_of(line_chart("t", [Series("a", [1, 2, 3, 4], [1, nan, 3, 4])], x_label="x"))
    assert len(points) == 3


def test_one_point_one_value_and_many_points():
    single = line_chart("t", [Series("a", [3], [7])], x_label="x")
    assert len(list(svg_of(single).iter("circle"))) == 1
    (points,) = points_of(line_chart("t", [Series("a", [1, 2], [5, 5])], x_label="x"))
    assert points[0][1] == points[1][1]
    many = list(range(10_000))
    (points,) = points_of(line_chart("t", [Series("a", many, many)], x_label="x"))
    assert len(points) <= 302
    assert points[-1][0] == max(x for x, _ in points)


@pytest.mark.parametrize("ends", [(0, 1), (-3e-6, 4e-6), (2.9, 3.1), (0, 123_456), (-1, 0)])
def test_ticks_stay_within_the_axis(ends):
    chart = line_chart("t", [Series("a", [0, 1], list(ends))], x_label="x")
    texts = [t.text for t in svg_of(chart).iter("text") if t.get("text-anchor") == "end"]
    assert 3 <= len(texts) <= 8
    assert all(len(text) <= 8 for text in texts)


def test_bars_start_at_zero_and_negative_ones_point_left():
    chart = bar_chart("t", [("gain", 0.2, "miss"), ("loss", -0.1, "swap")], " s")
    gain, loss = svg_of(chart).iter("rect")
    assert float(gain.get("width")) == pytest.approx(2 * float(loss.get("width")), abs=0.2)
    end = float(loss.get("x")) + float(loss.get("width"))
    assert end == pytest.approx(float(gain.get("x")), abs=0.2)
    assert "0.2 s" in chart


def test_names_are_escaped():
    chart = bar_chart("<b>", [("<i>", 1.0, "miss")]) + line_chart(
        "<b>", [Series("<i>", [1, 2], [1, 2])], x_label="<u>"
    )
    assert not re.search(r"<(b|i|u)>", chart)


def test_every_one_of_many_lines_looks_different():
    series = [Series(f"run {n}", [0, 1], [0, n]) for n in range(13)]
    chart = line_chart("many", series, x_label="x")
    lines = re.findall(r'<polyline .*?stroke="(.*?)".*?round"(.*?)><title>', chart)
    assert len(set(lines)) == 13
    swatches = re.findall(r'<i style="background:(.*?)"></i>', chart)
    assert len(set(swatches)) == 13
    assert lines[0][1] == ""
    assert "dasharray" in lines[4][1]
