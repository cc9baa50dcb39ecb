"""RoI cells: there and back, edges, both decoders against one joint at a time."""

import pytest
import torch
from textbook import roi as textbook
from torch.nn import functional as F
from torchvision.models.detection.roi_heads import heatmaps_to_keypoints, keypoints_to_heatmap

from lib.codecs import roi_heatmap
from lib.codecs.roi_heatmap import decode_bicubic, decode_fast, encode_roi_cells, enlarge_boxes

DECODERS = [decode_bicubic, decode_fast]


def smooth_maps(count, joints, size=56):
    coarse = torch.randn(count, joints, 7, 7)
    return 4 * F.interpolate(coarse, size=(size, size), mode="bicubic")


def boxes_of(*rows):
    return torch.tensor(rows, dtype=torch.float32)


def test_enlarging_keeps_the_centre_and_the_input():
    boxes = boxes_of([10, 20, 110, 60], [-5, 0, 5, 3])
    before = boxes.clone()
    assert torch.equal(enlarge_boxes(boxes, 1.0), boxes)
    grown = enlarge_boxes(boxes, 1.3)
    assert torch.allclose(grown[0], torch.tensor([-5.0, 14, 125, 66]))
    area = (grown[:, 2:] - grown[:, :2]).prod(1) / (boxes[:, 2:] - boxes[:, :2]).prod(1)
    assert torch.allclose(area, torch.full((2,), 1.69))
    assert torch.equal(boxes, before)


def test_targets_equal_the_definition_and_torchvisions():
    torch.manual_seed(0)
    corner = torch.rand(9, 2) * 50
    boxes = torch.cat((corner, corner + 5 + torch.rand(9, 2) * 100), dim=1)
    keypoints = torch.cat((torch.rand(9, 5, 2) * 150, torch.randint(0, 3, (9, 5, 1))), dim=2)
    cells, valid = encode_roi_cells(keypoints, boxes, 11)
    wanted = [
        [textbook.encode(k, b, 11) for k in row] for row, b in zip(keypoints, boxes, strict=True)
    ]
    assert cells.tolist() == [[cell for cell, _ in row] for row in wanted]
    assert valid.tolist() == [[fine for _, fine in row] for row in wanted]
    theirs, their_valid = keypoints_to_heatmap(keypoints, boxes, 11)
    assert torch.equal(cells, theirs)
    assert torch.equal(valid.long(), their_valid.long())


def test_edges_unlabelled_and_outside_joints():
    box = boxes_of([10, 20, 66, 48])
    joints = [
        [10, 20, 2],  # top left corner: first cell
        [66, 48, 1],  # bottom right corner: last cell
        [66, 20, 2],
        [9.99, 30, 2],  # outside
        [30, 48.1, 2],
        [30, 30, 0],  # not labelled
    ]
    cells, valid = encode_roi_cells(torch.tensor([joints]), box, 56)
    assert valid.tolist() == [[True, True, True, False, False, False]]
    assert cells[0, :3].tolist() == [0, 55 * 56 + 55, 55]


@pytest.mark.parametrize("decode", DECODERS)
def test_there_and_back_within_half_a_cell(decode):
    torch.manual_seed(0)
    boxes = enlarge_boxes(boxes_of([-30, 5, 80, 233], [12, 40, 412, 190]), 1.3)
    extent = (boxes[:, 2:] - boxes[:, :2])[:, None]
    points = boxes[:, None, :2] + extent * (0.02 + 0.96 * torch.rand(2, 7, 2))
    keypoints = torch.cat((points, torch.full((2, 7, 1), 2.0)), dim=2)
    cells, valid = encode_roi_cells(keypoints, boxes, 56)
    assert bool(valid.all())
    logits = F.one_hot(cells, 56 * 56).float().unflatten(2, (56, 56)) * 15
    found, peaks = decode(logits, boxes)
    error = (found[..., :2] - points).abs()
    assert bool((error <= extent / 56 / 2 + 1.01).all())  # bicubic: and up to one pixel
    assert bool((error.mean((0, 1)) < (extent / 56).mean((0, 1)) / 2).all())
    assert peaks.shape == (2, 7)
    assert bool((found[..., 2] > 0.3).all())


def test_bicubic_equals_one_joint_at_a_time_and_torchvision(monkeypatch):
    torch.manual_seed(0)
    boxes = boxes_of(
        [3.3, 4.4, 60.7, 99.1],
        [-20, -10, 40.5, 30],
        [5, 5, 5.4, 5.2],
        [0, 0, 1, 150],
        [9, 9, 30, 20],
    )
    logits = smooth_maps(5, 3)
    monkeypatch.setitem(roi_heatmap.CHUNK_CELLS, "cpu", 6000)  # several chunks
    found, peaks = decode_bicubic(logits, boxes)
    wanted = torch.tensor(
        [textbook.decode(maps, box) for maps, box in zip(logits, boxes, strict=True)]
    )
    assert torch.allclose(torch.cat((found, peaks[..., None]), dim=2), wanted, atol=1e-4)
    theirs, scores = heatmaps_to_keypoints(logits, boxes)
    assert torch.allclose(found[..., :2], theirs[..., :2], atol=1e-4)
    assert torch.allclose(peaks, scores, atol=1e-4)


def test_fast_decoding_is_exact_on_quadratic_logits():
    box = boxes_of([40, 10, 340, 610])
    rows, columns = torch.meshgrid(torch.arange(56.0), torch.arange(56.0), indexing="ij")
    at = torch.tensor([[20.3, 41.7], [30.0, 10.49], [54.2, 3.9]])  # column, row
    logits = torch.stack([-0.3 * (columns - x) ** 2 - 0.2 * (rows - y) ** 2 for x, y in at])
    found, _ = decode_fast(logits[None], box)
    wanted = box[:, :2] + (at + 0.5) * torch.tensor([300.0, 600.0]) / 56
    assert torch.allclose(found[0, :, :2], wanted, atol=1e-2)


def test_fast_decoding_at_the_border_and_of_flat_maps():
    logits = torch.zeros(1, 3, 8, 8)
    logits[0, 0, 0, 5] = 1.0  # on the border
    logits[0, 1, 3, 4:6] = 1.0  # a tie between neighbours: half a cell
    found, _ = decode_fast(logits, boxes_of([0, 0, 8, 8]))
    assert found[0, 0, :2].tolist() == [5.5, 0.5]
    assert found[0, 1, :2].tolist() == [5.0, 3.5]
    assert found[0, 2].tolist() == [0.5, 0.5, pytest.approx(1 / 64)]


@pytest.mark.parametrize("decode", DECODERS)
def test_no_regions_and_probability_bound(decode):
    found, peaks = decode(torch.zeros(0, 5, 56, 56), torch.zeros(0, 4))
    assert found.shape == (0, 5, 3)
    assert peaks.shape == (0, 5)
    logits = torch.full((1, 1, 56, 56), -50.0)
    logits[0, 0, 20, 20:22] = 10.0  # between the two the cubic overshoots
    found, _ = decode(logits, boxes_of([0, 0, 300, 300]))
    assert 0.4 < found[0, 0, 2] <= 1


@pytest.mark.parametrize("decode", DECODERS)
def test_decoding_is_exact_under_autocast(decode):
    torch.manual_seed(0)
    boxes = boxes_of([3.3, 4.4, 160.7, 99.1], [-20, -10, 40.5, 300])
    logits = smooth_maps(2, 3)
    plain, _ = decode(logits, boxes)
    with torch.autocast("cpu", torch.bfloat16):
        mixed, _ = decode(logits, boxes)
    assert torch.equal(plain, mixed)
