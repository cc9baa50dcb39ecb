"""Line and bar charts as inline SVG; colours and text follow the page's style sheet."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np

WIDTH, HEIGHT = 370, 230  # small, so that text stays readable on a phone
LEFT, RIGHT, TOP, BOTTOM = 62, 20, 12, 42
COLORS = ("accent", "second", "third", "fourth")
DASHES = ((), (7, 3), (2, 3), (9, 3, 2, 3))  # of lines beyond so many: each colour again
MAX_POINTS = 300


@dataclass
class Series:
    """One line: its name and its points; a bound is thin, and belongs to the line before it."""

    name: str
    x: Sequence[float]
    y: Sequence[float]
    bound: bool = False


def line_chart(
    title: str,
    series: Sequence[Series],
    *,
    x_label: str,
    x_range: tuple[float, float] | None = None,
    y_range: tuple[float, float] | None = None,
) -> str:
    """Return a figure with one line per series, non-finite points left out.

    Args:
        title: plain text above the chart.
        series: lines; with more than one, names stand in a legend.
        x_label: what the horizontal axis is.
        x_range: ends of the axis, by default those of the points.
        y_range: the same for the vertical one.
    """
    lines = [_finite(one) for one in series]
    lines = [one for one in lines if len(one.x)]
    if not lines:
        return ""
    x_ends = x_range or _ends(np.concatenate([np.asarray(one.x) for one in lines]))
    y_ends = y_range or _ends(np.concatenate([np.asarray(one.y) for one in lines]))
    parts = [_grid(x_ends, y_ends, x_label)]
    order = np.maximum(np.cumsum([not one.bound for one in lines]) - 1, 0).tolist()
    for one, place in zip(lines, order, strict=True):
        color, width = _color(place), "1" if one.bound else "2"
        points = _place(one, x_ends, y_ends)
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        parts.append(
            f'<polyline points="{path}" fill="none" stroke="var(--{color})" stroke-width="{width}" '
            f'stroke-linejoin="round"{_dashes(place)}><title>{escape(one.name)}</title></polyline>'
        )
        if len(points) == 1:
            x, y = points[0]
            parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="var(--{color})"/>')
    named = [one for one in lines if not one.bound]
    spoken = ", ".join(f"{one.name}: last {one.y[-1]:.4g}" for one in named)
    key = _key([one.name for one in named]) if len(named) > 1 else ""
    return _figure(title, spoken, "".join(parts), HEIGHT) + key + "</figure>"


def bar_chart(
    title: str, bars: Sequence[tuple[str, float, str]], unit: str = "", digits: int | None = None
) -> str:
    """Return a figure with horizontal bars.

    Args:
        title: plain text above the chart.
        bars: (name, value, colour name of the style sheet); negative values point to the left.
        unit: stands behind the numbers.
        digits: of all numbers behind the point; by default three significant ones.
    """
    shown = _short if digits is None else f"{{:.{digits}f}}".format
    row, name_width, value_width = 26, 128, 74
    space = WIDTH - name_width - value_width
    low, high = min(0.0, *(b[1] for b in bars)), max(0.0, *(b[1] for b in bars))
    scale = space / max(high - low, 1e-12)
    zero = name_width - low * scale
    parts = []
    for number, (name, value, color) in enumerate(bars):
        middle = number * row + row / 2
        start = zero + min(value, 0) * scale
        parts.append(
            f'<text class="name" x="0" y="{middle + 4:.0f}">{escape(name)}</text>'
            f'<rect x="{start:.1f}" y="{middle - 8:.0f}" width="{max(abs(value) * scale, 1):.1f}" '
            f'height="16" rx="2" fill="var(--{color})"/>'
            f'<text x="{zero + max(value, 0) * scale + 6:.1f}" y="{middle + 4:.0f}">'
            f"{shown(value)}{escape(unit)}</text>"
        )
    spoken = ", ".join(f"{name} {shown(value)}{unit}" for name, value, _ in bars)
    return _figure(title, spoken, "".join(parts), row * len(bars) + 4) + "</figure>"


def _figure(title: str, spoken: str, content: str, height: int) -> str:
    return (
        f'<figure><figcaption>{escape(title)}</figcaption><svg viewBox="0 0 {WIDTH} {height}" '
        f'role="img" aria-label="{escape(title)}: {escape(spoken)}">{content}</svg>'
    )


def _key(names: Sequence[str]) -> str:
    items = "".join(
        f'<li><i style="background:{_swatch(place)}"></i>{escape(name)}</li>'
        for place, name in enumerate(names)
    )
    return f'<ul class="legend">{items}</ul>'


def _color(place: int) -> str:
    return COLORS[place % len(COLORS)]


def _pattern(place: int) -> tuple[int, ...]:
    return DASHES[place // len(COLORS) % len(DASHES)]


def _dashes(place: int) -> str:
    """Return the attribute that tells a line from an earlier one of its colour, with a space."""
    pattern = " ".join(map(str, _pattern(place)))
    return f' stroke-dasharray="{pattern}"' if pattern else ""


def _swatch(place: int) -> str:
    """Return the CSS background that looks like a line."""
    color, pattern = f"var(--{_color(place)})", _pattern(place)
    if not pattern:
        return color
    ends = np.cumsum(pattern).tolist()
    stops = [
        f"{'transparent' if n % 2 else color} {start}px {end}px"
        for n, (start, end) in enumerate(zip([0, *ends], ends, strict=False))
    ]
    return f"repeating-linear-gradient(90deg,{','.join(stops)})"


def _grid(x_ends: tuple[float, float], y_ends: tuple[float, float], x_label: str) -> str:
    bottom, right = HEIGHT - BOTTOM, WIDTH - RIGHT
    parts = []
    for value in _ticks(*y_ends):
        y = bottom - (value - y_ends[0]) / (y_ends[1] - y_ends[0]) * (bottom - TOP)
        parts.append(
            f'<line x1="{LEFT}" x2="{right}" y1="{y:.1f}" y2="{y:.1f}" stroke="var(--line)"/>'
            f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{_short(value)}</text>'
        )
    for value in _ticks(*x_ends):
        x = LEFT + (value - x_ends[0]) / (x_ends[1] - x_ends[0]) * (right - LEFT)
        parts.append(
            f'<text x="{x:.1f}" y="{bottom + 18}" text-anchor="middle">{_short(value)}</text>'
        )
    parts.append(
        f'<text x="{(LEFT + right) / 2:.0f}" y="{HEIGHT - 5}" text-anchor="middle">'
        f"{escape(x_label)}</text>"
    )
    return "".join(parts)


def _place(
    series: Series, x_ends: tuple[float, float], y_ends: tuple[float, float]
) -> list[tuple[float, float]]:
    """Return the points in SVG units, thinned where there are more than can be seen."""
    step = max(1, math.ceil(len(series.x) / MAX_POINTS))
    x = np.append(np.asarray(series.x, np.float64)[:-1:step], series.x[-1])
    y = np.append(np.asarray(series.y, np.float64)[:-1:step], series.y[-1])
    across = LEFT + (x - x_ends[0]) / (x_ends[1] - x_ends[0]) * (WIDTH - RIGHT - LEFT)
    share = np.clip((y - y_ends[0]) / (y_ends[1] - y_ends[0]), 0, 1)
    down = HEIGHT - BOTTOM - share * (HEIGHT - BOTTOM - TOP)
    return list(zip(across.tolist(), down.tolist(), strict=True))


def _finite(series: Series) -> Series:
    x, y = np.asarray(series.x, np.float64), np.asarray(series.y, np.float64)
    keep = np.isfinite(x) & np.isfinite(y)
    return Series(series.name, x[keep].tolist(), y[keep].tolist(), series.bound)


def _ends(values: np.ndarray) -> tuple[float, float]:
    low, high = float(values.min()), float(values.max())
    if low == high:
        margin = abs(low) * 0.1 or 1.0
        return low - margin, high + margin
    return low, high


def _ticks(low: float, high: float) -> list[float]:
    """Return about five round numbers between ``low`` and ``high``."""
    rough = (high - low) / 4
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * m for m in (1, 2, 2.5, 5, 10) if power * m >= rough * 0.999)
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [n * step for n in range(first, last + 1)]


def _short(value: float) -> str:
    """Return at most three significant digits, as short as they can be read."""
    if value != 0 and not 1e-4 <= abs(value) < 1e6:
        return f"{value:.2g}"
    if abs(value) >= 1e4:
        return f"{value / 1000:.3g}k"
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}"
