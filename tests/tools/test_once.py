"""What a run reads passes each room of the house once."""

import json
import os
import subprocess
import sys

import pytest
from tool_loader import ROOT

pytestmark = pytest.mark.slow


def test_configuration_pictures_people_and_weights_are_read_once(tiny_config, synthpose):
    script = ROOT / "tests/scripts/opened.py"
    paths = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
    done = subprocess.run(
        [sys.executable, str(script), str(tiny_config)],
        env={**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    train, test = json.loads(done.stdout.splitlines()[-1]).values()
    coco = (synthpose / "coco").resolve()
    trained = coco / "annotations/person_keypoints_train2017.json"
    tested = str(coco / "annotations/person_keypoints_val2017.json")
    assert train[str(tiny_config.resolve())] == test[str(tiny_config.resolve())] == 1
    assert train[str(trained)] == 2  # for its people, and for its hash in the card
    assert train[tested] == test[tested] == 1
    assert str(trained) not in test
    pictures = [name for name in test if name.startswith(f"{coco}/images")]
    assert pictures
    assert {test[name] for name in pictures} == {1}
    (weights,) = [name for name in test if name.endswith(".pth")]
    assert test[weights] == 2  # is it a network of its own? what are its weights?
