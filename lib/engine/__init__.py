"""Training and inference of any task: devices, processes, precision, schedules, checkpoints.

``fit``            configuration -> run: resume or start, and train
``parts``          configuration -> network, state, step and stream of a run
``start``          pretrained weights of a fresh run
``trainer``        the loop               ``watchers``  what records it
``step``           forward, backward, accumulation, scaling, clipping
``state``          what a checkpoint holds
``plan``           when to evaluate, save and end, in optimiser steps
``schedules``      learning rates         ``optim``  optimisers and weight decay
``sampling``       order of the samples   ``stream``  loader processes, replaced when they die
``guard``          non-finite losses and wishes to stop, without waiting for the device
``ownership``  one run at a time in a folder
``recomputing``    activations computed twice, for less memory
``checkpointing``  files written whole or not at all
``inference``      predict and score a split, over all processes
``distributed``    processes under torchrun     ``parallel``  wrapping a network for them
``hardware``  what a program says about where it runs
``device``         GPU or CPU, precision        ``signals``   SIGTERM and SIGINT
``clock``  where the time goes, ``memory`` peaks, ``advice`` what to turn, ``tracing`` for Perfetto
``records``        metrics.jsonl, progress    ``summary``  the start-up lines
``trackers``       TensorBoard, wandb, mlflow    ``filmstrip``  test images, painted
``worst``  the samples that lose most, ``worst_record`` their names and pictures
"""

from lib.engine.fit import FitResult, fit
from lib.engine.inference import Evaluation, evaluate

__all__ = ["Evaluation", "FitResult", "evaluate", "fit"]
