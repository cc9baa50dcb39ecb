"""``synthpose``: an embedded data set of procedurally drawn people, deterministic by seed.

Image ``i`` of a split is a function of (seed, split, i, image size, people per image, level) alone;
with the same NumPy and OpenCV, down to the byte.

Files, in the order in which a picture comes to be:
    poses: activities, joint angles, anatomical limits.
    level: how hard the pictures are.
    body: proportions, forward kinematics, projection.
    outfit: skin, hair, garments with woven patterns.
    canvas: anti-aliased polygons on colour, light and label sheets.
    solids, head, figure: from a posed body to painted pieces, back to front.
    backdrop: textured places, clutter, things in front of people.
    scene: who stands where; the finished image.
    truth: joints and visibility, masks, boxes.
    detector: boxes of an imperfect person detector.
    formats: what the annotation files share; coco_form, mpii_form, crowdpose_form: the files.
    writer: folders, processes, progress.
"""

from lib.datasets.synthetic.formats import FORMATS
from lib.datasets.synthetic.level import LEVELS
from lib.datasets.synthetic.scene import MOST_PEOPLE, Scene, render_scene, scene_rng
from lib.datasets.synthetic.truth import Truth, find_truth
from lib.datasets.synthetic.writer import Recipe, write_dataset

__all__ = [
    "FORMATS",
    "LEVELS",
    "MOST_PEOPLE",
    "Recipe",
    "Scene",
    "Truth",
    "find_truth",
    "render_scene",
    "scene_rng",
    "write_dataset",
]
