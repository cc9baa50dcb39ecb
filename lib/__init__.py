"""efepose: five published systems of 2-D human pose estimation in one codebase.

Layers, imports point downward only (``make lint`` checks it)::

    api, engine            PoseEstimator; training, inference, checkpoints (knows no poses)
    tasks                  topdown, bottomup, rcnn: what the engine may ask of a way to find poses
    models  losses  datasets  evaluation        mutually blind
    codecs                 keypoints <-> network outputs, on the device
    structures             skeletons, geometry, results, drawing
    config                 YAML files of the HRNet family, checked
    utils                  errors, logging, images, seeds
"""

import os
import sys

if sys.platform == "darwin":  # before torch is imported: operators that Apple's GPU lacks run on
    os.environ.setdefault("PYTORCH_ENABLE_MPS_FALLBACK", "1")  # the CPU; torch's warning names them

__version__ = "0.1.0"
