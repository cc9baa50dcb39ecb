"""Slurm: its variables read as torchrun's, and the way back into its queue.

A process that ``srun`` started finds the others by what Slurm says, so a training on a cluster
needs no launcher of its own. https://slurm.schedmd.com/srun.html lists the variables.
"""

from __future__ import annotations

import logging
import os
import re
import signal
import subprocess
from collections.abc import Mapping, MutableMapping
from itertools import product

from lib.utils.errors import ConfigError

logger = logging.getLogger(__name__)

REQUEUE_ON = "EFEPOSE_REQUEUE"  # name of the signal that says that a job's time is nearly over
USUAL_SIGNAL = "USR1"
_PORTS = (15000, 17000)  # first port and how many; below those that systems give away themselves
_PART = re.compile(r"(?:[^,\[\]]|\[[^\[\]]*\])+")
_COUNT = re.compile(r"(\d+)(?:\(x(\d+)\))?")


def adopt_slurm(environment: MutableMapping[str, str] | None = None) -> None:
    """Give a process that ``srun`` started torchrun's variables; any other keeps what it has.

    Args:
        environment: where they are read and written; None is this process's.

    Raises:
        ConfigError: Slurm's variables cannot be read.
    """
    environment = os.environ if environment is None else environment
    if "RANK" not in environment and _is_task(environment):
        environment.update(world_of(environment))


def is_slurm_task() -> bool:
    """Return whether ``srun`` started this process, and no other launcher between them."""
    rank = os.environ.get("RANK")
    by_torchrun = "TORCHELASTIC_RUN_ID" in os.environ
    return rank is not None and rank == os.environ.get("SLURM_PROCID") and not by_torchrun


def world_of(environment: Mapping[str, str]) -> dict[str, str]:
    """Return RANK, WORLD_SIZE, LOCAL_RANK, LOCAL_WORLD_SIZE, MASTER_ADDR, MASTER_PORT of a task.

    Args:
        environment: with SLURM_PROCID, SLURM_NTASKS and SLURM_JOB_NODELIST, or those of the step.
            A MASTER_ADDR or MASTER_PORT in it is kept.

    Raises:
        ConfigError: a variable is missing or is not what Slurm writes.
    """
    rank, size = _number(environment, "SLURM_PROCID"), _size(environment)
    if rank >= size:
        raise ConfigError(f"SLURM_PROCID {rank} must be below SLURM_NTASKS {size}.")
    nodes = environment.get("SLURM_STEP_NODELIST") or environment.get("SLURM_JOB_NODELIST", "")
    hosts = expand_hosts(nodes or environment.get("SLURM_NODELIST", ""))
    if not hosts and "MASTER_ADDR" not in environment:
        raise ConfigError("SLURM_JOB_NODELIST is empty; set it, or MASTER_ADDR, to find rank 0.")
    local = _number(environment, "SLURM_LOCALID", 0)
    return {
        "RANK": str(rank),
        "WORLD_SIZE": str(size),
        "LOCAL_RANK": str(local),
        "LOCAL_WORLD_SIZE": str(_tasks_here(environment, size, max(1, len(hosts)))),
        "MASTER_ADDR": environment.get("MASTER_ADDR") or hosts[0],
        "MASTER_PORT": environment.get("MASTER_PORT") or str(_port(environment)),
    }


def expand_hosts(text: str) -> list[str]:
    """Return the names in Slurm's short form: ``gpu[01-03,7],login`` -> gpu01 gpu02 gpu03 gpu7 ...

    Raises:
        ConfigError: it is not such a form.
    """
    parts = _PART.findall(text)
    if ",".join(parts) != text.strip():
        raise ConfigError(f"Slurm's node list '{text}' cannot be read: gpu[01-03,7],login is one.")
    hosts = []
    for part in parts:
        pieces = [_ranges(piece, text) for piece in re.split(r"(\[[^\]]*\])", part.strip())]
        hosts += ["".join(name) for name in product(*pieces)]
    return hosts


def requeue_after(number: int) -> bool:
    """Return whether this signal says that the time of a Slurm job is nearly over.

    The job's own script names it (``EFEPOSE_REQUEUE``); where it does not, SIGUSR1 is it: SIGTERM
    comes from ``scancel``, too, by somebody who wants no more of the job.
    """
    name = os.environ.get(REQUEUE_ON, USUAL_SIGNAL)
    return bool(_job()) and number != 0 and number == getattr(signal, f"SIG{name}", None)


def requeue() -> bool:
    """Ask Slurm to start this job again; return whether it will. A refusal is logged."""
    command = ["scontrol", "requeue", _job()]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        refusal = "" if done.returncode == 0 else done.stderr.strip() or f"exit {done.returncode}"
    except OSError as error:
        refusal = str(error)
    if refusal:
        logger.error(
            "Slurm did not take the job back (%s: %s); submit it again with AUTO_RESUME true, and "
            "it goes on where it stopped.",
            " ".join(command),
            refusal,
        )
        return False
    logger.info("job %s waits in Slurm's queue again, and will go on where it stopped", _job())
    return True


def restarts() -> int:
    """Return how often Slurm has started this job again."""
    text = os.environ.get("SLURM_RESTART_COUNT", "0")
    return int(text) if text.isdigit() else 0


def _job() -> str:
    return os.environ.get("SLURM_JOB_ID") or os.environ.get("SLURM_JOBID", "")


def _is_task(environment: Mapping[str, str]) -> bool:
    """Return whether ``srun`` started this process as one of several.

    The script of a batch job has most of the variables, too, and is alone.
    """
    if "SLURM_PROCID" not in environment or _size(environment) < 2:
        return False
    of_step = any(name.startswith(("SLURM_STEP", "SLURM_SRUN")) for name in environment)
    if environment.get("ENVIRONMENT") == "BATCH" and not of_step:
        logger.warning(
            "SLURM_NTASKS is %s, but this is one process: start it with srun to use all tasks.",
            environment.get("SLURM_NTASKS"),
        )
        return False
    return True


def _size(environment: Mapping[str, str]) -> int:
    step = "SLURM_STEP_NUM_TASKS"
    return _number(environment, step if step in environment else "SLURM_NTASKS", 1)


def _tasks_here(environment: Mapping[str, str], size: int, nodes: int) -> int:
    """Return the tasks on this machine; the counts have a short form: ``4(x2),3``."""
    name = "SLURM_STEP_TASKS_PER_NODE"
    text = environment.get(name) or environment.get("SLURM_TASKS_PER_NODE", "")
    counts = [
        int(count)
        for count, times in _COUNT.findall(text)
        for _ in range(int(times) if times else 1)
    ]
    node = _number(environment, "SLURM_NODEID", 0)
    if node < len(counts) and sum(counts) == size:
        return counts[node]
    return -(-size // nodes)  # as Slurm deals them out unless told otherwise


def _port(environment: Mapping[str, str]) -> int:
    """Return one port for all tasks of a step, another for other jobs and steps of the machine."""
    job = _number(environment, "SLURM_JOB_ID", 0)
    step = _number(environment, "SLURM_STEP_ID", 0)
    return _PORTS[0] + (job + 101 * step) % _PORTS[1]


def _number(environment: Mapping[str, str], name: str, default: int | None = None) -> int:
    text = environment.get(name, "")
    if not text and default is not None:
        return default
    if not text.isdigit():
        raise ConfigError(f"The variable {name} must be a number, got '{text}'.")
    return int(text)


def _ranges(piece: str, text: str) -> list[str]:
    """Return what ``[01-03,7]`` stands for; other text stands for itself."""
    if not piece.startswith("["):
        return [piece]
    names = []
    for entry in piece[1:-1].split(","):
        first, dash, last = entry.strip().partition("-")
        if not first.isdigit() or (dash and not last.isdigit()):
            raise ConfigError(f"Slurm's node list '{text}' cannot be read at '{piece}'.")
        numbers = range(int(first), int(last or first) + 1)
        names += [str(number).zfill(len(first)) for number in numbers]
    return names
