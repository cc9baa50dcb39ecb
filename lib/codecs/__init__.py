"""Both directions between what people annotate and what networks predict.

``codec`` (the object a top-down task holds), ``heatmap`` (Gaussian targets, peaks, quarter step),
``dark`` (Newton refinement), ``integral`` (soft-argmax), ``flip`` (merging flip-tested maps).
Bottom-up: ``associative`` (targets), ``multiscale`` (network sizes, merging the outputs),
``grouping`` (people from heatmaps and tags), ``refinement`` and ``assignment`` (its parts).
One-stage: ``roi_heatmap`` (cells of a region of interest).
"""

from lib.codecs.codec import HeatmapCodec

__all__ = ["HeatmapCodec"]
