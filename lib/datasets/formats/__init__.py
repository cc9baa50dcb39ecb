"""Labelled pictures in the formats of other tools, read and written; each format a file.

``labels``       what every reader returns, and its check by the one reading of annotations
``detection``    which format a file or folder is in
``coco``         COCO's JSON, that of COCO-WholeBody and Halpe, folders of several splits
``yolo``         YOLO-pose folders (``data.yaml``, pictures and text files), by ``yolo_yaml`` and
                 ``yolo_writer``
``labelstudio``  Label Studio's JSON, by ``labelstudio_writer``, too
``cvat``         CVAT's XML 1.1 for images and for video, by ``cvat_writer``, too
``deeplabcut``   DeepLabCut's CSV
``sleap``        SLEAP's analysis CSV and JSON labels
``results``      predictions, to be corrected in one of these tools
``corrections``  proposed corrections of annotations, applied
``grouping``     joints that belong to no person by name -> people
``pictures``     where the pictures of a file are

A new format is a file with ``read(path, options) -> RawLabels`` (and perhaps
``write(labels, out, options)``), and a line in ``READERS`` (``WRITERS``).
"""

from lib.datasets.formats.labels import LabelSet, RawLabels, ReadSettings
from lib.datasets.formats.registry import READERS, WRITERS, read_labels, write_labels

__all__ = [
    "READERS",
    "WRITERS",
    "LabelSet",
    "RawLabels",
    "ReadSettings",
    "read_labels",
    "write_labels",
]
