"""Thousands of damaged files of other tools: one sentence, or a data set that trains as it is."""

import json
import shutil
import time

import numpy as np
import pytest
from textbook.malformed import tally
from textbook.malformed_forms import cvat_file, labelstudio_file, yolo_folder

from lib.annotations.reading import read_annotations
from lib.datasets.formats import read_labels, write_labels
from lib.utils.errors import UserError

FORMS = {"yolo": yolo_folder, "labelstudio": labelstudio_file, "cvat": cvat_file}
LONGEST = 5.0  # seconds a reading may take


def run(folder, seeds):
    """Return how many data sets were read and how many refused."""
    kinds = list(FORMS)
    return tally(
        lambda n: one(folder / f"{n}", kinds[n % len(kinds)], np.random.default_rng(n), n), seeds
    )


def one(folder, kind, rng, seed):
    path = FORMS[kind](folder, rng)
    start = time.perf_counter()
    try:
        labels = read_labels(path, kind)
    except UserError as error:
        outcome = "refused" if str(error).strip() else "refused without a word"
    else:
        outcome = "read"
        for other in ("coco", "cvat", "labelstudio"):
            write_labels(labels, other, folder / f"out-{other}")
        (file, *_) = (folder / "out-coco").glob("*.json")
        again = read_annotations(json.loads(file.read_text()), f"{labels.folder}/")
        assert len(again.people) <= len(labels.people), seed
    assert time.perf_counter() - start < LONGEST, seed
    shutil.rmtree(folder)
    return outcome


def test_some_damaged_data_sets(tmp_path):
    outcomes = run(tmp_path, range(90))
    assert outcomes["read"] > 15
    assert outcomes["refused"] > 15


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_thousands_of_damaged_data_sets(tmp_path):
    outcomes = run(tmp_path, range(1000, 4000))
    assert outcomes["read"] + outcomes["refused"] == 3000
