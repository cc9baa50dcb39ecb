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


def test_shipped_skeletons_pass():
    for file in SKELETON_FOLDER.glob("*.yaml"):
        assert min(load_skeleton(file.stem).sigmas) > 0
