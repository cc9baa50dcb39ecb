import time
from dataclasses import replace

import numpy as np
import pytest
import torch

from lib.benchmark.textbook import grouping as textbook
from lib.benchmark.textbook.scenes import scene
from lib.codecs import grouping
from lib.codecs.grouping import Candidates, GroupingOptions, find_candidates, group, match
from lib.codecs.refinement import adjust, refine
from lib.structures.skeleton import load_skeleton

COCO = GroupingOptions(load_skeleton("coco").grouping_order)
CROWDPOSE = GroupingOptions(load_skeleton("crowdpose").grouping_order)

SCENES = {
    "few": ({"people": 3}, COCO),
    "nobody": ({"people": 0, "clutter": 0}, COCO),
    "crowd": ({"people": 20, "clutter": 1.5}, COCO),
    "one tag value": ({"people": 5, "length": 1}, COCO),
    "three tag values": ({"people": 5, "length": 3}, COCO),
    "shared tags": ({"people": 6, "shared": True}, COCO),
    "same tags": ({"people": 12, "spread": 0.4}, COCO),  # assignment ties everywhere
    "fourteen joints": ({"people": 8, "joints": 14}, CROWDPOSE),
    "many": ({"people": 33, "spread": 60, "clutter": 0.1, "missing": 0.1}, COCO),
    "many ignored": ({"people": 40, "spread": 60}, replace(COCO, ignore_too_much=True)),
    "plain distance": ({"people": 10}, replace(COCO, use_detection_score=False)),
    "not adjusted": ({"people": 4}, replace(COCO, adjust=False)),
    "not refined": ({"people": 4}, replace(COCO, refine=False)),
    "narrow window": ({"people": 4, "noise": 0.1}, replace(COCO, nms_kernel=3)),
    "no background": ({"people": 7, "noise": 0.0}, COCO),
}


@pytest.mark.parametrize("name", SCENES)
@pytest.mark.parametrize("seed", [0, 1])
def test_equals_the_textbook_to_the_last_bit(name, seed):
    sizes, options = SCENES[name]
    heatmaps, tags = scene(seed, **{"size": (61, 83), **sizes})
    people, scores = group(heatmaps, tags, options)
    wanted_people, wanted_scores = textbook.group(heatmaps, tags, options)
    np.testing.assert_array_equal(people, wanted_people)
    np.testing.assert_array_equal(scores, wanted_scores)
    assert people.dtype == scores.dtype == np.float32


def test_tag_planes_may_lie_in_any_order_in_memory():
    heatmaps, tags = scene(4, people=5, size=(61, 83))
    planes = tags.permute(3, 0, 1, 2).contiguous().permute(1, 2, 3, 0)
    np.testing.assert_array_equal(group(heatmaps, planes, COCO)[0], group(heatmaps, tags, COCO)[0])


def test_the_form_for_gpus_finds_the_same(monkeypatch):
    heatmaps, tags = scene(3, people=6, size=(61, 83))
    expected = group(heatmaps, tags, COCO)
    monkeypatch.setattr(grouping, "_find_maxima_on_host", grouping._find_maxima_on_device)
    got = group(heatmaps, tags, COCO)
    np.testing.assert_array_equal(got[0], expected[0])


@pytest.mark.gpu
def test_gpu_equals_cpu():
    heatmaps, tags = scene(3, people=6, size=(128, 160))
    got = group(heatmaps.cuda(), tags.cuda(), COCO)
    np.testing.assert_allclose(got[0], group(heatmaps, tags, COCO)[0], atol=1e-4)


def test_scipy_gives_a_person_for_every_clean_one():
    heatmaps, tags = scene(1, people=4, clutter=0, missing=0, spread=9, size=(128, 200))
    ours = group(heatmaps, tags, COCO)[0]
    np.testing.assert_array_equal(group(heatmaps, tags, replace(COCO, matcher="scipy"))[0], ours)


class TestFindCandidates:
    def test_keeps_all_cells_of_a_plateau_strongest_first(self):
        heatmaps = torch.zeros(2, 7, 9)
        heatmaps[0, 2, 3:5] = 0.5
        heatmaps[0, 6, 8] = 0.75
        found = find_candidates(heatmaps, torch.zeros(2, 7, 9, 1), COCO)
        assert found.joints.tolist() == [0, 0, 0]
        assert found.locations.tolist() == [[8, 6], [3, 2], [4, 2]]
        assert found.scores.tolist() == [0.75, 0.5, 0.5]

    def test_threshold_is_exclusive_and_count_is_bounded(self):
        heatmaps = torch.zeros(1, 4, 64)
        heatmaps[0, 0, ::4] = torch.linspace(0.1, 0.9, 16)
        options = replace(COCO, max_people=5)
        found = find_candidates(heatmaps, torch.zeros(1, 4, 64, 2), options)
        np.testing.assert_allclose(found.scores, np.linspace(0.1, 0.9, 16)[:-6:-1], rtol=1e-6)
        only = replace(COCO, detection_threshold=0.9)
        assert len(find_candidates(heatmaps, torch.zeros(1, 4, 64, 2), only).scores) == 0

    def test_candidates_without_finite_tags_are_left_out(self):
        heatmaps = torch.zeros(1, 5, 6)
        heatmaps[0, 1, 1] = heatmaps[0, 4, 5] = 1.0
        tags = torch.zeros(1, 5, 6, 1)
        tags[0, 1, 1] = torch.nan
        assert find_candidates(heatmaps, tags, COCO).locations.tolist() == [[5, 4]]


class TestMatch:
    def candidates(self, *rows):
        """Rows of ``joint, x, y, score, tag``."""
        table = np.array(rows)
        return Candidates(
            joints=table[:, 0].astype(np.int64),
            locations=table[:, 1:3].astype(np.int64),
            scores=table[:, 3].astype(np.float32),
            tags=table[:, 4:].astype(np.float32),
        )

    def test_joints_go_to_the_nearest_tag(self):
        options = GroupingOptions((0, 1))
        found = self.candidates((0, 1, 2, 0.5, 3.0), (0, 4, 5, 0.25, 7.0), (1, 6, 7, 0.5, 7.25))
        people = match(found, options)
        assert people[:, :, :2].tolist() == [[[1, 2], [0, 0]], [[4, 5], [6, 7]]]

    def test_a_distance_of_the_threshold_starts_a_new_person(self):
        options = GroupingOptions((0, 1), tag_threshold=1.0)
        found = self.candidates((0, 1, 2, 0.5, 3.0), (1, 6, 7, 0.5, 4.0))
        assert match(found, options).shape == (2, 2, 4)

    def test_a_repeated_first_tag_overwrites_its_person(self):
        options = GroupingOptions((0, 1))
        found = self.candidates((0, 1, 2, 0.5, 3.0), (0, 4, 5, 0.25, 3.0))
        assert match(found, options)[:, 0, :2].tolist() == [[4, 5]]

    def test_only_the_first_thirty_are_candidates_but_people_are_unlimited(self):
        rows = [(0, i, 0, 0.5, 10.0 * i) for i in range(40)]
        rows += [(1, i, 1, 0.5, 10.0 * i) for i in range(40)]
        assert len(match(self.candidates(*rows), GroupingOptions((0, 1)))) == 40
        kept = GroupingOptions((0, 1), ignore_too_much=True)
        assert match(self.candidates(*rows), kept)[:, 1, 2].max() == 0


@pytest.mark.parametrize("case", ["single", "four", "noisy"])
def test_reference_scenes(shared, case):
    golden = np.load(shared / "golden" / "bottomup" / f"group_{case}.npz")
    heatmaps, tags = torch.from_numpy(golden["det"][0]), torch.from_numpy(golden["tag"][0])
    found = find_candidates(heatmaps, tags, replace(COCO, detection_threshold=0.0))
    positive = golden["val_k"][0] > 0
    np.testing.assert_array_equal(found.scores, golden["val_k"][0][positive])
    np.testing.assert_array_equal(found.locations, golden["loc_k"][0][positive])
    np.testing.assert_array_equal(found.tags, golden["tag_k"][0][positive])
    people = match(find_candidates(heatmaps, tags, COCO), COCO)
    np.testing.assert_array_equal(people, golden["match"])
    np.testing.assert_array_equal(adjust(heatmaps, people), golden["adjusted"])
    np.testing.assert_array_equal(refine(heatmaps, tags, people), golden["ans_noadjust"])
    answer, scores = group(heatmaps, tags, COCO)
    np.testing.assert_array_equal(answer, golden["ans"])
    np.testing.assert_array_equal(scores, golden["scores"])


def test_reference_scene_of_nobody(shared):
    golden = np.load(shared / "golden" / "bottomup" / "group_empty.npz")
    people, scores = group(
        torch.from_numpy(golden["det"][0]), torch.from_numpy(golden["tag"][0]), COCO
    )
    assert people.shape == (0, 17, 5)
    assert scores.shape == (0,)


@pytest.mark.slow
def test_four_times_as_fast_as_the_textbook():
    heatmaps, tags = scene(30, people=30, size=(256, 352), spread=20, sigma=3)
    ours = min(_seconds(lambda: group(heatmaps, tags, COCO)) for _ in range(3))
    assert _seconds(lambda: textbook.group(heatmaps, tags, COCO)) > 4 * ours


def _seconds(work):
    start = time.process_time()
    work()
    return time.process_time() - start
