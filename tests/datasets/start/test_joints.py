import pytest
import yaml

from lib.datasets.start.joints import ASSUMED, known_joints, skeleton_yaml
from lib.structures.skeleton import load_skeleton, skeleton_from_dict

NAMES = ["Nose", "lHip", "rHip", "L_Knee", "R_Knee", "tail: end", "no"]


def test_people_get_measured_sigmas_by_name_and_others_none():
    skeleton = skeleton_from_dict({"joints": NAMES}, "x")
    known = known_joints(skeleton, "Person")
    assert known.skeleton.sigmas == (0.026, 0.107, 0.107, 0.087, 0.087, 0.05, 0.05)
    assert known.assumed == ["tail: end", "no"]
    assert "COCO" in known.sources[0]
    assert set(known_joints(skeleton, "dog").sources) == {ASSUMED}


def test_sigmas_of_the_file_stay():
    skeleton = skeleton_from_dict({"joints": NAMES, "sigmas": [0.11] * 6 + [0.05]}, "x")
    known = known_joints(skeleton, "person")
    assert known.skeleton.sigmas == skeleton.sigmas
    assert known.assumed == ["no"]


def test_limbs_of_known_names():
    known = known_joints(skeleton_from_dict({"joints": NAMES}, "x"), "dog")
    assert {frozenset(limb) for limb in known.skeleton.limbs} == {
        frozenset(limb) for limb in ((1, 2), (1, 3), (2, 4))
    }


@pytest.mark.parametrize("names", [NAMES, ["é", "y", "1", 'a"b', "x\\n", "#c", "- d"], ["one"]])
def test_the_file_reads_back(tmp_path, names):
    skeleton = skeleton_from_dict({"joints": names}, "x")
    known = known_joints(skeleton, "person")
    file = tmp_path / "skeleton.yaml"
    file.write_text(skeleton_yaml(known, "my set"), encoding="utf-8")
    found = load_skeleton(str(file))
    assert found.joints == tuple(names)
    assert (found.sigmas, found.flip_pairs, found.limbs, found.upper_body) == (
        known.skeleton.sigmas,
        known.skeleton.flip_pairs,
        known.skeleton.limbs,
        known.skeleton.upper_body,
    )
    assert yaml.safe_load(file.read_text(encoding="utf-8"))["name"] == "my set"
