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
