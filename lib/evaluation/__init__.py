"""Scores of predicted poses, and the result files of the data sets.

``oks``            similarity, suppression of duplicates, rescoring
``coco``           AP and AR of poses and boxes; ``coco_evaluator`` collects, scores, writes
``coco_files``     annotation and result files, checked; ``table``: their poses as columns
``pairs``          similarities of found to annotated people
``matching``       who is whose, ``curves``: AP
``summary``        the numbers that COCO reports; ``packages``: pycocotools and others, as oracles
``crowdpose``      the nine CrowdPose numbers
``mpii``           PCKh
``diagnosis``      jitter, inversion, swap, miss, background, duplicates; what each costs
``breakdown``      tables by joint and by size
``bootstrap``      is one run better than another, or luck?
``annotators``     sigmas from repeated annotations; ``sensitivity``: what hangs on them
``label_errors``   doubtful annotations, by the ``predicted_pairs`` of a network that is out of fold
"""

from lib.evaluation.coco import evaluate_coco, evaluate_coco_boxes
from lib.evaluation.coco_evaluator import CocoEvaluator
from lib.evaluation.crowdpose import CrowdPoseEvaluator, evaluate_crowdpose
from lib.evaluation.mpii import MpiiEvaluator, evaluate_mpii
from lib.evaluation.oks import nms_by_image, oks_matrix, oks_nms, rescore, soft_oks_nms
from lib.evaluation.wholebody import WholeBodyEvaluator, evaluate_wholebody

__all__ = [
    "CocoEvaluator",
    "CrowdPoseEvaluator",
    "MpiiEvaluator",
    "WholeBodyEvaluator",
    "evaluate_coco",
    "evaluate_coco_boxes",
    "evaluate_crowdpose",
    "evaluate_mpii",
    "evaluate_wholebody",
    "nms_by_image",
    "oks_matrix",
    "oks_nms",
    "rescore",
    "soft_oks_nms",
]
