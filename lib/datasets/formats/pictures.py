"""Where the pictures of an annotation file are: annotation files rarely say."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from lib.datasets.formats.labels import LabelSet
from lib.utils.errors import DataError
from lib.utils.images import IMAGE_ENDINGS

logger = logging.getLogger(__name__)

TRIED = 5  # names that decide


def picture_folder(names: Sequence[str], given: str, places: Iterable[Path], file: Path) -> Path:
    """Return the folder below which pictures are.

    Args:
        names: file names of the pictures.
        given: what the user says; else ``places`` are looked at.
        places: folders where they may be, the likeliest first.
        file: that names the pictures, for messages.

    Raises:
        DataError: none of the pictures is in the folder that was given.
    """
    tried = [name.replace("\\", "/") for name in names[:TRIED]]
    if given:
        folder = Path(given)
        if tried and not any((folder / name).is_file() for name in tried):
            raise DataError(
                f"None of the pictures of {file} ({', '.join(tried)}) is in {folder}; give the "
                "folder that their names are below (--images)."
            )
        return folder
    several = list(dict.fromkeys(places))
    found = (p for p in several if tried and all((p / name).is_file() for name in tried))
    some = (p for p in several if any((p / name).is_file() for name in tried))
    return next(found, None) or next(some, None) or file.parent


def places_near(file: Path) -> Iterator[Path]:
    """Yield folders near an annotation file in which its pictures may be."""
    stem = file.stem.rpartition("_")[2]
    for base in (file.parent, file.parent.parent):
        yield base
        for name in ("images", "data", "img", "imgs", "pictures", "frames"):
            yield base / name
            yield from (base / name / split for split in (stem, file.stem))
        yield from (base / split for split in (stem, file.stem))
    yield from sorted(path for path in file.parent.iterdir() if path.is_dir())


def list_pictures(folder: Path) -> list[Path]:
    """Return the pictures below a folder, sorted."""
    return sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in IMAGE_ENDINGS and path.is_file()
    )


def _link(source: Path, target: Path) -> str:
    """Make ``target`` a link, or a copy where it cannot be one; return why it cannot, or ''."""
    try:
        target.symlink_to(source.resolve())
    except OSError as error:  # on Windows without the right to, or a disk without links
        shutil.copy2(source, target)
        return error.strerror or str(error)
    return ""


def place_pictures(labels: LabelSet, targets: Sequence[Path], how: str) -> int:
    """Copy or link all pictures of a data set.

    Args:
        labels: whose pictures are placed.
        targets: where the picture of each image shall be.
        how: ``copy``, ``link`` (symbolic; a copy where there can be none) or ``none``.

    Returns:
        How many were not there.

    Raises:
        DataError: another file is where a picture shall be.
    """
    missing, refusals = 0, list[str]()
    if how == "none":
        return 0
    for image, target in zip(labels.images, targets, strict=True):
        source = labels.folder / image["file_name"]
        if not source.is_file():
            missing += 1
            continue
        if target.exists():
            if not target.samefile(source) and target.stat().st_size != source.stat().st_size:
                raise DataError(f"{target} already exists, and is another file than {source}.")
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        if how == "link":
            refusals.append(_link(source, target))
        else:
            shutil.copy2(source, target)
    if copied := [reason for reason in refusals if reason]:
        logger.warning("%d pictures are copied: they cannot be links (%s)", len(copied), copied[0])
    return missing
