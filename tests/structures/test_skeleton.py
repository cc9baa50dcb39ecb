import re

import pytest

from lib.structures.skeleton import SKELETON_FOLDER, load_skeleton, skeleton_from_dict
from lib.utils.errors import DataError


@pytest.mark.parametrize("sigma", [0, -0.0, -0.07, float("nan"), float("inf")])
def test_sigmas_are_above_zero(sigma):
    entry = {"joints": ["head", "left_paw", "tail"], "sigmas": [0.1, sigma, 0.2]}
    with pytest.raises(DataError, match=r"x\.yaml: the sigma of left_paw must be above 0"):
        skeleton_from_dict(entry, "x.yaml")


@pytest.mark.parametrize("sigmas", [["wide", 0.1], None, 0.05])
def test_sigmas_are_numbers(sigmas):
    with pytest.raises(DataError, match="'sigmas' must list numbers"):
        skeleton_from_dict({"joints": ["head", "tail"], "sigmas": sigmas}, "x.yaml")


def test_a_file_that_is_not_there_is_told_apart_from_a_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    wanted = r"No skeleton file a/dog\.yaml \(there is no folder a\); .* given in, here "
    with pytest.raises(DataError, match=wanted + re.escape(str(tmp_path))):
        load_skeleton("a/dog.yaml")
    with pytest.raises(DataError, match=r"No skeleton 'crowdpos'. Did you mean crowdpose"):
        load_skeleton("crowdpos")


def test_shipped_skeletons_pass():
    for file in SKELETON_FOLDER.glob("*.yaml"):
        assert min(load_skeleton(file.stem).sigmas) > 0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("joints: [a, b", r"own\.yaml is not YAML: while parsing"),
        ("joints: !!python/object:os.system [a]", "is not YAML"),
        ("- a\n- b\n", "must say 'joints"),
        ("", "must say 'joints"),
        ("joints: abc", "'joints' must list distinct joint names, got 'abc'"),
        ("joints: [{name: a}, {name: b}]", "'joints' must list distinct"),
        ("joints: [a, b, a]", "'joints' must list distinct"),
        ("joints:", "'joints' must list distinct"),
        ("joints: [a, b]\nupper_body: [knee]", r"\['knee'\] does not name some of the joints a, b"),
        ("joints: [a, b]\njoint_weights: [x, y]", "'joint_weights' must list numbers"),
        ("joints: [a, b]\ngrouping_order: [0, 0]", "'grouping_order' has the joint a twice"),
        ("joints: [a, b]\ngrouping_order: [0, 2]", "outside 0..1"),
        ("joints: [a, b]\nflip_pairs: [[1, 1]]", "'flip_pairs' has the joint b twice"),
        ("joints: [a, b, c]\nflip_pairs: [[0, 1], [1, 2]]", "'flip_pairs' has the joint b twice"),
        ("joints: [a, b]\nflip_pairs: [[.inf, 1]]", "does not name two of the joints"),
        ("joints: [a, b]\nlimbs: 5", "5 is not a list of pairs of joints"),
    ],
)
def test_damaged_files_end_in_a_sentence(tmp_path, text, message):
    file = tmp_path / "own.yaml"
    file.write_text(text)
    with pytest.raises(DataError, match=message):
        load_skeleton(str(file))


def test_a_file_that_is_no_text(tmp_path):
    file = tmp_path / "own.yaml"
    file.write_bytes("joints: [Hüfte, Knie]".encode("latin-1"))
    with pytest.raises(DataError, match=r"own\.yaml cannot be read as text"):
        load_skeleton(str(file))


def test_lists_may_name_joints_and_empty_keys_are_left_out(tmp_path):
    file = tmp_path / "own.yaml"
    file.write_text(
        "joints: [nose, l_hip, r_hip]\nupper_body: [nose]\ngrouping_order: [r_hip, 0, l_hip]\n"
        "limbs: [[nose, 2]]\nflip_pairs:\njoint_weights:\n"
    )
    skeleton = load_skeleton(str(file))
    assert skeleton.upper_body == (0,)
    assert skeleton.grouping_order == (2, 0, 1)
    assert skeleton.limbs == ((0, 2),)
    assert skeleton.flip_pairs == ((1, 2),)  # by the names
    assert skeleton.joint_weights == (1, 1, 1)
