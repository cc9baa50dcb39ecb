"""Write ``synthpose`` to disk: render in parallel, annotate, lay out folders."""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from lib.datasets.synthetic.coco_form import coco_entries, write_coco
from lib.datasets.synthetic.crowdpose_form import crowdpose_entries, write_crowdpose
from lib.datasets.synthetic.detector import detect
from lib.datasets.synthetic.formats import (
    FIRST_ID,
    FORMATS,
    MOST_IMAGES,
    Record,
    image_path,
    write_json,
)
from lib.datasets.synthetic.level import LEVELS
from lib.datasets.synthetic.mpii_form import mpii_entries, write_mpii
from lib.datasets.synthetic.scene import MOST_PEOPLE, SPLITS, render_scene, scene_rng
from lib.datasets.synthetic.truth import find_truth
from lib.utils.errors import DataError

GENERATOR = 2  # raise it with every change of the pictures: older folders are then made anew
MARKER = "synthpose.json"
SIDES = (64, 2048)  # range of an image side, in pixels
ENTRIES = {"coco": coco_entries, "mpii": mpii_entries, "crowdpose": crowdpose_entries}
WRITERS = {"coco": write_coco, "mpii": write_mpii, "crowdpose": write_crowdpose}
Progress = Callable[[Iterable[Record], int], Iterable[Record]]


@dataclass(frozen=True)
class Recipe:
    """What to make. Image ``i`` of a split depends on seed, size, people and level only.

    Attributes:
        train: number of training images.
        val: number of validation images.
        seed: 0 or greater.
        size: ``(long, short)`` side of the images in pixels; half of them stand upright.
        people: fewest and most people per image.
        level: how hard the pictures are, a name of ``LEVELS``.
        formats: some of ``FORMATS``.
    """

    train: int
    val: int
    seed: int = 0
    size: tuple[int, int] = (320, 240)
    people: tuple[int, int] = (1, MOST_PEOPLE)
    formats: tuple[str, ...] = FORMATS
    level: str = "full"

    def check(self) -> None:
        """Raise ``DataError`` if this cannot be made."""
        for split, count in (("train", self.train), ("val", self.val)):
            if not 0 <= count <= MOST_IMAGES:
                raise DataError(f"{split} images must be 0 to {MOST_IMAGES}, got {count}.")
        if self.seed < 0:
            raise DataError(f"The seed must be 0 or greater, got {self.seed}.")
        if self.level not in LEVELS:
            raise DataError(f"The level must be one of {', '.join(LEVELS)}, got {self.level}.")
        fewest, most = self.people
        if not 1 <= fewest <= most <= MOST_PEOPLE:
            raise DataError(
                f"People per image must be a range within 1 to {MOST_PEOPLE}, got {fewest} {most}."
            )
        if not SIDES[0] <= min(self.size) <= max(self.size) <= SIDES[1]:
            raise DataError(
                f"Image sides must be {SIDES[0]} to {SIDES[1]} pixels, "
                f"got {self.size[0]} {self.size[1]}."
            )


def write_dataset(
    out: str | Path,
    recipe: Recipe,
    *,
    workers: int = 1,
    force: bool = False,
    progress: Progress | None = None,
) -> bool:
    """Render and annotate a data set below ``out``.

    Args:
        out: folder to fill; one sub-folder per format, each in that data set's own layout.
        recipe: what to make.
        workers: processes to render with; the result is the same for any number.
        force: replace another synthpose there, or write among foreign files.
        progress: wraps the stream of records and their number, to show how far it is.

    Returns:
        False if the very same data set was there already and nothing was done.

    Raises:
        DataError: the recipe is impossible, or ``out`` holds something else.
    """
    recipe.check()
    out = Path(out)
    if _claim(out, recipe, force):
        return False
    try:
        for split, count in (("train", recipe.train), ("val", recipe.val)):
            jobs = partial(_make_image, out=out, recipe=recipe, split=split)
            stream = _map(jobs, count, workers)
            records = list(progress(stream, count) if progress else stream)
            for style in recipe.formats:
                WRITERS[style](out / style, split, records)
        write_json(out / MARKER, _marker(recipe, complete=True))
    except OSError as error:
        raise DataError(f"Cannot write below {out}: {error.strerror}.") from error
    return True


def _claim(out: Path, recipe: Recipe, force: bool) -> bool:
    """Prepare the folder; return whether the wanted data set is complete there already."""
    if out.exists() and not out.is_dir():
        raise DataError(f"{out} is a file; --out must name a folder.")
    found = _read_marker(out)
    if found == _marker(recipe, complete=True):
        return True
    taken = [name for name in FORMATS if (out / name).is_dir() and any((out / name).iterdir())]
    ours = found is not None and {**found, "complete": True} == _marker(recipe, complete=True)
    if taken and not ours and not force:
        what = "another synthetic data set" if found else "files that synthpose did not write"
        raise DataError(
            f"{out} holds {what} ({', '.join(taken)}); choose another --out, or add --force."
        )
    if found is not None:  # only what carries our marker is ever deleted
        for name in FORMATS:
            shutil.rmtree(out / name, ignore_errors=True)
    try:
        for split in SPLITS:
            for style in recipe.formats:
                (out / image_path(style, split, 1)).parent.mkdir(parents=True, exist_ok=True)
        write_json(out / MARKER, _marker(recipe, complete=False))
    except OSError as error:
        raise DataError(f"Cannot write below {out}: {error.strerror}.") from error
    return False


def _marker(recipe: Recipe, *, complete: bool) -> dict[str, Any]:
    entry = {"generator": GENERATOR, **asdict(recipe), "complete": complete}
    return json.loads(json.dumps(entry))  # tuples become lists, as they come back from a file


def _read_marker(out: Path) -> dict[str, Any] | None:
    try:
        entry = json.loads((out / MARKER).read_text(encoding="utf-8"))
    except (OSError, json.JSONDecodeError):
        return None
    return entry if isinstance(entry, dict) else None


def _map(make: Callable[[int], Record], count: int, workers: int) -> Iterator[Record]:
    """Yield the records of all images in order, from one process or several."""
    if workers <= 1 or count < 2:
        yield from map(make, range(count))
        return
    context = multiprocessing.get_context("spawn")  # forking after OpenCV has threads is unsafe
    with ProcessPoolExecutor(min(workers, count), mp_context=context) as pool:
        yield from pool.map(make, range(count), chunksize=8)


def _make_image(index: int, *, out: Path, recipe: Recipe, split: str) -> Record:
    """Render one image, write it, and return what the annotation files say about it."""
    cv2.setNumThreads(1)
    rng = scene_rng(recipe.seed, split, index)
    image_id = FIRST_ID[split] + index
    scene = render_scene(rng, recipe.size, recipe.people, LEVELS[recipe.level])
    truths = find_truth(scene)
    _write_image(out, recipe, split, image_id, scene.image, scene.quality)
    height, width = scene.labels.shape
    return Record(
        image_id=image_id,
        width=width,
        height=height,
        entries={style: ENTRIES[style](scene, truths, image_id) for style in recipe.formats},
        detections=detect(rng, scene, truths, image_id) if split == "val" else [],
    )


def _write_image(
    out: Path, recipe: Recipe, split: str, image_id: int, image: np.ndarray, quality: int
) -> None:
    """Write the JPEG once; the other formats get a hard link, or a copy where links fail."""
    first, *others = (out / image_path(style, split, image_id) for style in recipe.formats)
    _, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
    first.unlink(missing_ok=True)  # never write through a link into somebody else's file
    first.write_bytes(data.tobytes())
    for other in others:
        other.unlink(missing_ok=True)
        try:
            os.link(first, other)
        except OSError:
            shutil.copyfile(first, other)
