"""Losses, below the codecs and tasks that use them.

``heatmap``  masked mean squared error, hard-keypoint mining
``associative``  masked heatmaps, push and pull of tags
"""

from lib.losses.heatmap import HeatmapLoss

__all__ = ["HeatmapLoss"]
