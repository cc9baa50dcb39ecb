"""HTML elements and the one style sheet of report pages: no script, no external resource."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from html import escape

import cv2
import numpy as np

# Colours have a form for light and one for dark pages; errors keep theirs on the whole page.
STYLE = """
:root { color-scheme: light dark;
  --ground: #f6f7f9; --card: #ffffff; --ink: #1c2127; --soft: #5b6570; --line: #dde1e6;
  --good: #a9b4bf; --jitter: #0072b2; --inversion: #9b4f96; --swap: #b07d00; --miss: #c8451b;
  --accent: #0072b2; --second: #c8451b; --third: #00785a; --fourth: #9b4f96; }
@media (prefers-color-scheme: dark) { :root {
  --ground: #14181d; --card: #1d2329; --ink: #e6eaee; --soft: #9aa5b1; --line: #343c45;
  --good: #5c6875; --jitter: #56b4e9; --inversion: #d79bd3; --swap: #e6b422; --miss: #ff8a5c;
  --accent: #56b4e9; --second: #ff8a5c; --third: #3fc79a; --fourth: #d79bd3; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--ink);
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
main { max-width: 1100px; margin: 0 auto; padding: 1.25rem 1rem 4rem; }
h1 { font-size: 1.5rem; line-height: 1.25; margin: 0 0 .25rem; overflow-wrap: anywhere; }
h2 { font-size: 1.15rem; margin: 0 0 .25rem; }
h3 { font-size: 1rem; margin: 1.25rem 0 .25rem; }
p { margin: .25rem 0 .75rem; max-width: 70ch; }
.soft, figcaption { color: var(--soft); font-size: .875rem; }
section { background: var(--card); border: 1px solid var(--line); border-radius: 10px;
  padding: 1.1rem 1.2rem; margin-top: 1rem; }
.chips { display: flex; flex-wrap: wrap; gap: .4rem; margin: .5rem 0 0; padding: 0;
  list-style: none; }
.chips li { border: 1px solid var(--line); border-radius: 999px; padding: .1rem .7rem;
  font-size: .85rem; overflow-wrap: anywhere; }
.chips b { color: var(--soft); font-weight: 500; }
.tiles { display: grid; gap: .6rem;
  grid-template-columns: repeat(auto-fill, minmax(min(46%, 190px), 1fr)); }
.tile { border: 1px solid var(--line); border-radius: 8px; padding: .45rem .7rem; }
.tile b { display: block; font-size: 1.35rem; font-weight: 600; line-height: 1.3;
  font-variant-numeric: tabular-nums; }
.tile:first-child { border-color: var(--accent); }
.charts { display: grid; gap: 1.25rem;
  grid-template-columns: repeat(auto-fit, minmax(min(100%, 330px), 1fr)); }
figure { margin: 0; }
figure img { display: block; max-width: 100%; height: auto; }
svg { display: block; width: 100%; height: auto; max-width: 470px; }
svg text { font: 13px system-ui, sans-serif; fill: var(--soft); }
svg .name { fill: var(--ink); }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: .9rem; font-variant-numeric: tabular-nums; }
th, td { padding: .3rem .7rem; text-align: right; border-bottom: 1px solid var(--line);
  white-space: nowrap; }
th { color: var(--soft); font-weight: 500; }
th:first-child, td:first-child { text-align: left; position: sticky; left: 0;
  background: var(--card); }
.stack { display: flex; width: 160px; height: 12px; border-radius: 3px;
  overflow: hidden; gap: 1px; }
.wide .stack { width: 100%; height: 20px; }
.legend { display: flex; flex-wrap: wrap; gap: .2rem 1.1rem; padding: 0; margin: .5rem 0;
  list-style: none; font-size: .875rem; }
.legend i { display: inline-block; width: .75rem; height: .75rem; border-radius: 3px;
  margin-right: .4rem; }
.cases { display: grid; gap: 1rem;
  grid-template-columns: repeat(auto-fill, minmax(min(100%, 320px), 1fr)); }
.cases img { display: block; width: 100%; height: auto; border-radius: 6px; background: #000; }
.warning { border-left: 4px solid var(--second); padding-left: .8rem; overflow-wrap: anywhere; }
details pre { overflow-x: auto; font-size: .8rem; line-height: 1.4; }
summary { cursor: pointer; }
@media (max-width: 600px) {
  main { padding: 1rem .6rem 3rem; }
  section { padding: .9rem .8rem; }
  table { font-size: .82rem; }
  th, td { padding: .3rem .22rem; }
  th { white-space: normal; vertical-align: bottom; }
  th:first-child, td:first-child { padding-left: 0; }
  td .stack { width: 50px; } }
"""
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


def render_page(title: str, parts: Iterable[str]) -> str:
    """Return a whole HTML document; ``parts`` are elements, ``title`` is plain text."""
    body = "\n".join(part for part in parts if part)
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n"
        f"<body>\n<main>\n{body}\n</main>\n</body>\n</html>\n"
    )


def section(title: str, *parts: str, note: str = "") -> str:
    """Return a card with a heading, a sentence of plain text, and elements."""
    about = f'<p class="soft">{escape(note)}</p>' if note else ""
    return f"<section>\n<h2>{escape(title)}</h2>\n{about}{''.join(parts)}\n</section>"


def warning(text: str) -> str:
    """Return a paragraph that stands out."""
    return f'<p class="warning">{escape(text)}</p>'


def chips(entries: dict[str, str]) -> str:
    """Return name-value pairs as a row of small labels."""
    items = "".join(f"<li><b>{escape(k)}</b> {escape(v)}</li>" for k, v in entries.items())
    return f'<ul class="chips">{items}</ul>'


def tiles(values: dict[str, str]) -> str:
    """Return numbers in boxes; the first one stands out."""
    items = "".join(
        f'<div class="tile"><span class="soft">{escape(k)}</span><b>{escape(v)}</b></div>'
        for k, v in values.items()
    )
    return f'<div class="tiles">{items}</div>'


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table; cells are HTML, heads plain text."""
    head = "".join(f"<th>{escape(name)}</th>" for name in heads)
    body = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>\n" for row in rows)
    return f'<div class="scroll"><table><tr>{head}</tr>\n{body}</table></div>'


def stacked_bar(shares: dict[str, float]) -> str:
    """Return shares of one as a bar; keys name colours of the style sheet."""
    spoken = ", ".join(f"{name} {100 * share:.1f} %" for name, share in shares.items())
    pieces = "".join(
        f'<span style="width:{100 * share:.2f}%;background:var(--{name})"></span>'
        for name, share in shares.items()
        if share > 0
    )
    return f'<div class="stack" role="img" aria-label="{spoken}" title="{spoken}">{pieces}</div>'


def legend(names: dict[str, str], colors: dict[str, str] | None = None) -> str:
    """Return colour names with their meaning.

    Args:
        names: meaning by name of a colour of the style sheet.
        colors: CSS colours by name, where they are others than the style sheet's.
    """
    items = "".join(
        f'<li><i style="background:{(colors or {}).get(name, f"var(--{name})")}"></i>'
        f"{escape(text)}</li>"
        for name, text in names.items()
    )
    return f'<ul class="legend">{items}</ul>'


def picture(image: np.ndarray, caption: str) -> str:
    """Return an (H, W, 3) blue-green-red picture, embedded as JPEG, with a caption."""
    _, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 85])
    source = "data:image/jpeg;base64," + base64.b64encode(data.tobytes()).decode()
    size = f'width="{image.shape[1]}" height="{image.shape[0]}"'
    text = escape(caption)
    return (
        f'<figure><img src="{source}" {size} loading="lazy" alt="{text}">'
        f"<figcaption>{text}</figcaption></figure>"
    )
