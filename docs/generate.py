"""Pages and pictures that the code itself writes: keys, tools, layers, targets of codecs.

mkdocs calls `on_files` and `on_page_markdown` (``hooks`` in mkdocs.yml).
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections import defaultdict
from html import escape
from pathlib import Path
from typing import Any

import cv2
import numpy as np

ROOT = Path(__file__).resolve().parent.parent
SHOWN = ("gaussian", "dark", "udp", "simcc")
INPUT = (48, 64)  # width, height of the pictured input
JOINT = (20.6, 33.3)
ZOOM = 18  # pixels of a cell


def on_files(files: Any, config: Any) -> Any:
    """Add the generated pages and pictures to mkdocs' files."""
    from mkdocs.structure.files import File

    made = {
        "reference/keys.md": keys_page(),
        "reference/tools.md": tools_page(),
        "assets/codecs.png": codecs_picture(),
    }
    for path, content in made.items():
        files.append(File.generated(config, path, content=content))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Draw the layers where a page says so."""
    return (
        markdown.replace("LAYERS", layers()) if page.file.src_uri.endswith("house.md") else markdown
    )


def keys_page() -> str:
    """Return the page of every key: meaning, what it takes, default, source."""
    from lib.config.meaning import all_keys, part_names

    sections: dict[str, list[str]] = defaultdict(list)
    for key in map(part_names, all_keys()):
        section = key.path.partition(".")[0] if "." in key.path else "The run"
        owner = f" *({key.owner})*" if key.owner else ""
        takes = "; ".join(filter(None, [key.kind, key.bounds, ", ".join(key.choices)]))
        stop = "" if key.meaning.endswith(".") else "."
        source = f"{stop} From {key.paper}." if key.paper else ""
        cells = (key.meaning + source, takes, f"`{key.default!r}`")
        name = f"<code>{_breaking(key.path)}</code>{owner}"
        sections[section].append(" | ".join([name, *(_cell(text) for text in cells)]))
    text = ["# Every key", "", "Written from the defaults, their comments and their bounds by"]
    text += ["`docs/generate.py`; `python tools/analyse/config.py explain KEY` says the same.", ""]
    for section, rows in sections.items():
        text += [f"## {section}", "", "| key | meaning | takes | default |", "|---|---|---|---|"]
        text += [f"| {row} |" for row in rows] + [""]
    return "\n".join(text)


def _breaking(name: str) -> str:
    """Return a key's name that may go on in the next line, behind a dot, where it is long."""
    return name.replace(".", ".<wbr>") if len(name) > 18 else name


def _cell(text: str) -> str:
    """Return a text as a cell of a table; what stands in backquotes needs no escapes."""
    parts = text.replace("|", "\\|").split("`")
    return "`".join(part if n % 2 else escape(part, quote=False) for n, part in enumerate(parts))


def tools_page() -> str:
    """Return the page of all tools, each with what ``--help`` prints."""
    text = ["# Every tool", "", "What `--help` prints.", ""]
    for path in scripts():
        name = path.relative_to(ROOT).as_posix()
        words = [sys.executable, str(path), "--help"]
        told = subprocess.run(words, capture_output=True, text=True, check=True, cwd=ROOT).stdout
        text += [f"## {name}", "", "```text", told.rstrip(), "```", ""]
    return "\n".join(text)


def scripts() -> list[Path]:
    """Return the tools: what one uses daily first."""
    folders = [ROOT / "tools", ROOT / "visualization"]
    return sorted(
        (path for folder in folders for path in folder.rglob("*.py")),
        key=lambda path: (len(path.relative_to(ROOT).parts), path),
    )


def layers() -> str:
    """Return the layers of the import contract in pyproject.toml as rows, highest first."""
    contract = (ROOT / "pyproject.toml").read_text(encoding="utf-8").partition("\nlayers = [")[2]
    rows = ["tools/ | visualization/", *re.findall(r'"(.+)",', contract.partition("]")[0])]
    drawn = []
    for row in rows:
        names = [name.strip(" ()").replace(".", "/") for name in row.split("|")]
        drawn.append(
            f'<div class="layer">{"".join(f"<span>{name}</span>" for name in names)}</div>'
        )
    return "\n".join(drawn)


def codecs_picture() -> bytes:
    """Return a PNG with the targets of one joint, by codec, drawn by the codecs."""
    import torch

    from lib.codecs import CODECS
    from lib.config import load_config

    panels = []
    for name in SHOWN:
        recipe = (
            "coco/simcc/simcc_resnet50_256x192"
            if name == "simcc"
            else "coco/hrnet/w32_256x192_adam_lr1e-3"
        )
        words = [
            f"MODEL.TARGET_TYPE={name}",
            f"MODEL.IMAGE_SIZE={list(INPUT)}",
            "MODEL.NUM_JOINTS=17",
        ]
        if name != "simcc":
            words += [f"MODEL.HEATMAP_SIZE={[size // 4 for size in INPUT]}", "MODEL.SIGMA=2"]
        cfg = load_config(ROOT / "experiments" / f"{recipe}.yaml", words)
        codec = CODECS[name].build(cfg)
        joints = torch.tensor(JOINT).expand(1, 17, 2).clone()
        targets, _ = codec.encode(joints, torch.ones(1, 17))
        panels.append(panel([part[0, 0].numpy() for part in _parts(targets)]))
    return joined(panels)


def _parts(targets: Any) -> list[Any]:
    return list(targets) if isinstance(targets, list | tuple) else [targets]


def panel(parts: list[np.ndarray]) -> np.ndarray:
    """Return a map, or two axes as broad stripes, in colour."""
    height, width = INPUT[1] // 4 * ZOOM, INPUT[0] // 4 * ZOOM
    if len(parts) == 1:
        return _coloured(parts[0], (width, height))
    stripes = [_coloured(part[None], (width, height // 4)) for part in parts]
    canvas = np.zeros((height, width, 4), np.uint8)
    for n, stripe in enumerate(stripes):
        start = height // 8 + n * height // 2
        canvas[start : start + len(stripe)] = stripe
    return canvas


def _coloured(values: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    level = np.round(255 * values / values.max()).astype(np.uint8)
    enlarged = cv2.resize(level, size, interpolation=cv2.INTER_NEAREST)
    coloured = cv2.applyColorMap(enlarged, cv2.COLORMAP_VIRIDIS)
    return cv2.cvtColor(coloured, cv2.COLOR_BGR2BGRA)


def joined(panels: list[np.ndarray]) -> bytes:
    """Return panels side by side as a PNG."""
    gap = np.zeros((len(panels[0]), ZOOM, 4), np.uint8)  # the page shows through, dark or light
    row = [part for panel in panels for part in (panel, gap)][:-1]
    return cv2.imencode(".png", np.hstack(row))[1].tobytes()
