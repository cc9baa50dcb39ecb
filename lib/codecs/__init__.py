"""Both directions between what people annotate and what networks predict.

Top-down: ``base`` says what a codec is and lists them (``CODECS``), ``kinds`` holds one file per
codec. What they compute: ``heatmap`` (Gaussian targets, peaks, quarter step), ``dark`` (Newton
step), ``integral`` (soft-argmax), ``flip`` (merging flip-tested maps), ``accuracy`` (the figure of
the training log).
Bottom-up: ``associative`` (targets), ``multiscale`` (network sizes, merging the outputs),
``grouping`` (people from heatmaps and tags), ``refinement`` and ``assignment`` (its parts).
One-stage: ``roi_heatmap`` (cells of a region of interest).
"""

import lib.codecs.kinds  # noqa: F401 - fills CODECS
from lib.codecs.base import CODECS, Codec, build_codec

__all__ = ["CODECS", "Codec", "build_codec"]
