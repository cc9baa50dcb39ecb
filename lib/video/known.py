"""Pictures that a data set lists: they keep its ids, and box files may name them so."""

from __future__ import annotations

import logging

from yacs.config import CfgNode

from lib.annotations.form import Annotations
from lib.tasks.splits import build_source, read_labels
from lib.utils.errors import UserError
from lib.video.boxes import Boxes, FileBoxes
from lib.video.sources import ImageSource, VideoSource

logger = logging.getLogger(__name__)


def known_pictures(cfg: CfgNode) -> Annotations | None:
    """Return the annotations that a model is tested on, which may know the pictures; None if gone.

    Pictures that they list keep their ids in results, and boxes may name them so.
    """
    source = build_source(cfg, train=False)
    if source.kind == "mpii" or not source.annotation.is_file():
        return None
    try:
        return read_labels(cfg, source)
    except UserError as error:
        logger.info("pictures are not looked for in the data set: %s", error)
        return None


def name_pictures(
    source: ImageSource | VideoSource, known: Annotations | None, boxes: Boxes | None
) -> None:
    """Give pictures the ids of the data set where it lists them, and hold boxes against them.

    Raises:
        DataError: the box file has none of the pictures, or one of its names may be several.
    """
    if not isinstance(source, ImageSource) or not source.names:
        return
    if known is not None and source.use_ids(known.images):
        logger.info("the pictures have the ids of %s", known.path)
    if isinstance(boxes, FileBoxes):
        boxes.match(source.names, source.ids)
