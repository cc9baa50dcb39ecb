"""A sheet of doubtful annotations, to decide on each with a look."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np

from lib.annotations.form import Annotations
from lib.evaluation.label_errors import KINDS, Doubt
from lib.report.cases import View
from lib.report.page import picture, render_page, section, tiles
from lib.structures.drawing import draw_poses, join_panels
from lib.utils.errors import UnreadableImageError

TITLE = "Doubtful annotations"
MEANINGS = {
    "shifted": "joints lie away from where the network is sure to see them",
    "mirrored": "left and right fit when they are swapped",
    "wrong person": "the joints are those of somebody else in the picture",
    "missing": "joints, or a person, are not annotated",
    "extra": "the network sees nobody there",
}


def label_error_sheet(truth: Annotations, doubts: Sequence[Doubt], most: int) -> str:
    """Return an HTML page of the surest ``most`` doubts of each kind, annotated and proposed."""
    counts = Counter(doubt.kind for doubt in doubts)
    overview = tiles({kind: str(counts[kind]) for kind in KINDS})
    parts = [section(TITLE, overview, note=_NOTE)]
    for kind in KINDS:
        chosen = [doubt for doubt in doubts if doubt.kind == kind][:most]
        pictures = [picture(image, text) for image, text in _painted(truth, chosen)]
        if pictures:
            cards = f'<div class="cases">{"".join(pictures)}</div>'
            parts.append(section(f"{kind}: {counts[kind]}", cards, note=MEANINGS[kind]))
    return render_page(TITLE, parts)


_NOTE = (
    "Left as annotated, right as proposed, the surest first. Nothing is changed yet: entries of "
    "the JSON file whose 'apply' is true are, by tools/data/convert.py --corrections."
)


def _painted(truth: Annotations, doubts: Sequence[Doubt]) -> Iterator[tuple[np.ndarray, str]]:
    images = truth.images
    place = {str(images.label(n)): n for n in range(len(images))}
    row = {str(truth.label(n)): n for n in range(len(truth.people))}
    for doubt in doubts:
        try:
            pixels = images.read(place[str(doubt.image_id)])
        except UnreadableImageError:
            continue
        n = row.get(str(doubt.annotation_id))
        yield _paint(truth, doubt, pixels, n), _caption(truth, doubt)


def _paint(truth: Annotations, doubt: Doubt, pixels: np.ndarray, n: int | None) -> np.ndarray:
    sets = [doubt.keypoints] if n is None else [truth.triples[n], doubt.keypoints]
    points = np.concatenate([joints[joints[:, 2] > 0, :2] for joints in sets])
    view = View(pixels, points)
    panels = [_pose(view, joints, truth) for joints in sets]
    if n is None:
        panels.insert(0, view.pixels)
    if doubt.action == "remove":
        panels[-1] = view.pixels
    return join_panels(panels, ["annotated", "proposed"])


def _pose(view: View, joints: np.ndarray, truth: Annotations) -> np.ndarray:
    placed = view.place(joints[None, :, :2])
    return draw_poses(view.pixels, placed, joints[None, :, 2] > 0, truth.skeleton, threshold=1)


def _caption(truth: Annotations, doubt: Doubt) -> str:
    names = [truth.skeleton.joints[k] for k in doubt.joints]
    whole = doubt.kind in ("extra", "wrong person", "mirrored") or doubt.action == "add"
    joints = "" if whole else f" · {', '.join(names[:4])}" + " ..." * (len(names) > 4)
    own = "not annotated" if doubt.annotation_id is None else f"annotation {doubt.annotation_id}"
    return f"{doubt.doubt:.2f} · image {doubt.image_id} · {own}{joints}"
