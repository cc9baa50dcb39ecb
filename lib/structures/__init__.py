"""Values that travel between layers: ``skeleton`` (what a pose is), ``results`` (what came out)."""

from lib.structures.results import PoseResult, Poses
from lib.structures.skeleton import Skeleton, load_skeleton

__all__ = ["PoseResult", "Poses", "Skeleton", "load_skeleton"]
