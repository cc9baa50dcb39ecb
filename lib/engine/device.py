"""Where and in which precision a model runs."""

from __future__ import annotations

import contextlib
import itertools
import logging
import os
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from yacs.config import CfgNode

from lib.engine.distributed import World, current_world
from lib.utils.allocator import keep_all_freed_memory
from lib.utils.errors import ConfigError
from lib.utils.slurm import is_slurm_task

logger = logging.getLogger(__name__)

_DTYPES = {"bfloat16": torch.bfloat16, "float16": torch.float16}


@dataclass(frozen=True)
class Precision:
    """Number format of the forward pass.

    Attributes:
        device_type: ``cpu``, ``cuda`` or ``mps``.
        dtype: format under autocast; None computes in float32.
    """

    device_type: str = "cpu"
    dtype: torch.dtype | None = None

    def autocast(self) -> AbstractContextManager[Any]:
        """Return the context in which the forward pass and the loss run."""
        if self.dtype is None:
            return contextlib.nullcontext()
        return torch.autocast(self.device_type, self.dtype)

    @property
    def needs_scaler(self) -> bool:
        """Whether gradients would underflow without loss scaling."""
        return self.dtype == torch.float16


def build_precision(cfg: CfgNode, device: torch.device) -> Precision:
    """Read ``FP16.ENABLED`` and ``FP16.DTYPE``; CPUs and Apple's GPUs always take bfloat16."""
    if not cfg.FP16.ENABLED:
        return Precision(device.type)
    name = cfg.FP16.DTYPE
    if device.type != "cuda":  # their loss scaling is not torch's
        if name == "float16":
            logger.warning("FP16.DTYPE float16 is for CUDA; %s uses bfloat16.", device.type)
        return Precision(device.type, torch.bfloat16)
    if name == "auto":
        name = "bfloat16" if torch.cuda.is_bf16_supported() else "float16"
    return Precision(device.type, _DTYPES[name])


def choose_gpus(gpus: Sequence[int], world: World) -> list[int]:
    """Return the numbers of the GPUs this process uses: none without CUDA, one under torchrun.

    GPUs that the machine lacks are left out, with one warning.
    """
    count = torch.cuda.device_count()
    if count == 0:
        if gpus and not has_mps():
            logger.warning("GPUS %s: %s; running on the CPU.", tuple(gpus), why_no_gpu())
        return []
    if torch.distributed.is_initialized():
        return [world.local_rank % count]
    present = [gpu for gpu in gpus if 0 <= gpu < count]
    if len(present) < len(gpus):
        used = present or "the CPU"
        logger.warning("GPUS %s: this machine has %d; using %s.", tuple(gpus), count, used)
    return present


def has_mps() -> bool:
    """Return whether this machine has a GPU of Apple's that torch can use."""
    return torch.backends.mps.is_available()


def why_no_gpu() -> str:
    """Return why CUDA finds no GPU, as far as torch knows."""
    if torch.version.cuda is None:
        return "there is no GPU that this PyTorch, built without CUDA, could use"
    return "there is no GPU here, or no driver for it"


def named_device(name: str | torch.device) -> torch.device:
    """Return the device of this name.

    Raises:
        ConfigError: torch knows none of this name, or this machine has it not.
    """
    try:
        device = torch.device(name)
    except RuntimeError:
        raise ConfigError(f"device must be like cpu, cuda, cuda:1 or mps, got {name!r}.") from None
    count = torch.cuda.device_count()
    if device.type == "cuda" and (device.index or 0) >= count:
        reason = f"this machine has {count} GPUs" if count else why_no_gpu()
        raise ConfigError(f"device {name}: {reason}.")
    return device


def setup_device(cfg: CfgNode) -> tuple[torch.device, list[int]]:
    """Apply ``CUDNN`` and ``DETERMINISTIC`` and return this process's device and its GPU numbers.

    Raises:
        ConfigError: there are more processes than GPUs on this machine, or none with REQUIRE_GPU.
    """
    torch.backends.cudnn.benchmark = cfg.CUDNN.BENCHMARK
    torch.backends.cudnn.deterministic = cfg.CUDNN.DETERMINISTIC
    torch.backends.cudnn.enabled = cfg.CUDNN.ENABLED
    be_deterministic(cfg.DETERMINISTIC)
    world, count = current_world(), torch.cuda.device_count()
    # A task of Slurm's that sees one GPU has been given one of its own (--gpus-per-task).
    shared = count > 1 or (count == 1 and not is_slurm_task())
    if shared and world.local_size > count and cfg.DIST_BACKEND != "gloo":
        raise ConfigError(
            f"{world.local_size} processes cannot share {count} GPUs; start torchrun with "
            f"--nproc_per_node {count}."
        )
    gpus = choose_gpus(cfg.GPUS, world)
    device = _device_of(gpus, cfg.GPUS)
    if cfg.REQUIRE_GPU and device.type == "cpu":
        reason = why_no_gpu() if not count else f"GPUS {tuple(cfg.GPUS)} names none of the {count}"
        raise ConfigError(
            f"REQUIRE_GPU is true, but {reason}. Leave it (or --require-gpu) out to use the CPU."
        )
    return device, gpus


def be_deterministic(wanted: bool) -> None:
    """Take only kernels that repeat their bits, if ``wanted``; torch warns of each that has none.

    cuBLAS reads its setting when the first product is made, so it is set before.
    """
    if wanted:
        torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark = True, False
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(wanted, warn_only=True)


def _device_of(gpus: Sequence[int], wanted: Sequence[int]) -> torch.device:
    """Return the first of ``gpus``; failing that Apple's GPU, for which any number stands."""
    if gpus:
        return torch.device("cuda", gpus[0])
    if not wanted or torch.cuda.device_count() or not has_mps():
        return torch.device("cpu")
    if torch.distributed.is_initialized():
        logger.warning("Apple's GPU cannot be shared by processes; running on the CPU.")
        return torch.device("cpu")
    if len(wanted) > 1:
        logger.warning("GPUS %s: this machine has one, Apple's (mps); using it.", tuple(wanted))
    return torch.device("mps")


def place(network: nn.Module, device: torch.device) -> nn.Module:
    """Move ``network`` to ``device``, its convolution weights in channels-last order (faster).

    Weights that are in both orders at once (1x1, depthwise) keep their strides: otherwise their
    gradients have others, which ``DistributedDataParallel`` would have to copy. On a CPU the
    process keeps the memory of its activations from now on.
    """
    if device.type == "cpu":
        keep_all_freed_memory()
    network = network.to(device)
    if device.type == "mps":  # gains nothing from channels-last
        return network
    for tensor in itertools.chain(network.parameters(), network.buffers()):
        if tensor.dim() == 4 and not tensor.is_contiguous(memory_format=torch.channels_last):
            tensor.data = tensor.data.contiguous(memory_format=torch.channels_last)
    return network


def to_device(value: Any, device: torch.device) -> Any:
    """Move all tensors in nested lists, tuples and dicts; anything else passes unchanged.

    Nothing waits: a copy to a GPU from memory that is not pinned would wait for all work before.
    """
    if isinstance(value, Tensor):
        if device.type == "cuda" and not value.is_cuda and not value.is_pinned():
            value = value.pin_memory()
        return value.to(device, non_blocking=True)
    if isinstance(value, dict):
        return {key: to_device(item, device) for key, item in value.items()}
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*(to_device(item, device) for item in value))
    if isinstance(value, (list, tuple)):
        return type(value)(to_device(item, device) for item in value)
    return value


def check_global_batch(wanted: int, effective: int) -> None:
    """Stop if ``TRAIN.GLOBAL_BATCH`` is set and the effective batch is another.

    Raises:
        ConfigError: with both numbers.
    """
    if wanted and wanted != effective:
        raise ConfigError(
            f"TRAIN.GLOBAL_BATCH is {wanted}, but TRAIN.BATCH_SIZE_PER_GPU x GPUs (or processes) x "
            f"TRAIN.ACCUMULATE gives {effective}; change one of them, or set GLOBAL_BATCH to 0."
        )
