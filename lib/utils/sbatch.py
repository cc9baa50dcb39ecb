"""``--submit``: the command of this very call as a job of a Slurm cluster."""

from __future__ import annotations

import argparse
import re
import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from lib.utils.errors import ConfigError
from lib.utils.slurm import REQUEUE_ON

SCRIPT = "job.sbatch"
_SIGNAL = re.compile(r"(?:SIG)?(USR1|TERM)(?:@(\d+))?")
_GRACE = 120  # seconds that a job gets to save, unless --signal says otherwise
_TEMPLATE = """#!/bin/bash
{options}

cd {place}
export {variable}={signal}
exec srun --kill-on-bad-exit=1 --cpus-per-task={cpus} {command}
"""


def add_submit_flags(parser: argparse.ArgumentParser) -> None:
    """Add ``--submit`` and what it takes; nothing of it is a key of the configuration."""
    group = parser.add_argument_group(
        "Slurm",
        "--submit writes job.sbatch, sends it with sbatch, and returns. Before its time is over, "
        "the job saves and goes back into the queue.",
    )
    group.add_argument("--submit", action="store_true", help="run this command as a job of Slurm")
    group.add_argument("--partition", default="", metavar="NAME", help="default: the cluster's")
    group.add_argument("--time", default="", metavar="D-HH:MM:SS", help="default: the cluster's")
    group.add_argument("--nodes", type=int, default=1, metavar="N", help="machines (default: 1)")
    group.add_argument(
        "--gpus",
        type=int,
        metavar="N",
        help="GPUs, and processes, of each machine (default: as many as GPUS names); 0: the CPU",
    )
    group.add_argument(
        "--cpus", type=int, metavar="N", help="cores of each process (default: WORKERS + 1)"
    )
    group.add_argument(
        "--signal",
        default=f"USR1@{_GRACE}",
        metavar="NAME@SECONDS",
        help=f"what comes how long before the end: USR1 or TERM (default: USR1@{_GRACE})",
    )
    group.add_argument(
        "--sbatch",
        action="append",
        default=[],
        metavar="OPTION=VALUE",
        help="any other option of sbatch, as account=ours, mem=64G, array=0-3; repeatable",
    )


def submit(
    args: argparse.Namespace, command: Sequence[str], folder: Path, *, gpus: int, cpus: int
) -> str:
    """Write the job and send it; return what ``sbatch`` answered.

    Args:
        args: with the flags of `add_submit_flags`.
        command: script and words to run, see `job_words`.
        folder: gets the job's script and its output.
        gpus: of each machine, unless ``args`` says.
        cpus: cores of each process, unless ``args`` says.

    Raises:
        ConfigError: a flag makes no sense, or ``sbatch`` is missing or refuses the job.
    """
    file = folder / SCRIPT
    text = job_script(args, command, folder, gpus=gpus, cpus=cpus)
    folder.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
    try:
        done = subprocess.run(["sbatch", str(file)], capture_output=True, text=True, check=False)
    except OSError:
        raise ConfigError(
            f"There is no sbatch on this machine; the job is in {file}: send it from where Slurm "
            f"is, with 'sbatch {file}'."
        ) from None
    if done.returncode:
        raise ConfigError(f"sbatch refused {file}: {done.stderr.strip() or done.stdout.strip()}")
    return f"{done.stdout.strip()} ({file})"


def job_script(
    args: argparse.Namespace, command: Sequence[str], folder: Path, *, gpus: int, cpus: int
) -> str:
    """Return the text of the job: options of sbatch, and ``command`` under srun; see `submit`.

    Raises:
        ConfigError: a flag makes no sense.
    """
    name, seconds = _signal(args.signal)
    cpus = cpus if args.cpus is None else args.cpus
    gpus = gpus if args.gpus is None else args.gpus
    for flag, value, least in (("nodes", args.nodes, 1), ("gpus", gpus, 0), ("cpus", cpus, 1)):
        if value < least:
            raise ConfigError(f"--{flag} must be at least {least}, got {value}.")
    place = str(folder.resolve()).replace("%", "%%")  # a % stands for a number there
    options = {
        "job-name": folder.name,
        "output": f"{place}/slurm-%j.out",
        "open-mode": "append",
        "partition": args.partition,
        "time": args.time,
        "nodes": str(args.nodes),
        "ntasks-per-node": str(max(1, gpus)),
        "gpus-per-node": str(gpus or ""),
        "cpus-per-task": str(cpus),
        "signal": f"{name}@{seconds}",
        "requeue": None,
    }
    lines = [_option(key, value) for key, value in options.items() if value != ""]
    lines += [_option(key, value) for key, value in map(_parts, args.sbatch)]
    return _TEMPLATE.format(
        options="\n".join(lines),
        place=shlex.quote(str(Path.cwd())),
        variable=REQUEUE_ON,
        signal=name,
        cpus=cpus,
        command=shlex.join([sys.executable, *command]),
    )


def job_words(words: Sequence[str] | None) -> list[str]:
    """Return a call's words (None: this process's) without the flags of `add_submit_flags`."""
    parser = argparse.ArgumentParser(add_help=False)
    add_submit_flags(parser)
    return parser.parse_known_args(list(sys.argv[1:] if words is None else words))[1]


def _signal(text: str) -> tuple[str, int]:
    found = _SIGNAL.fullmatch(text.upper())
    if found is None:
        raise ConfigError(f"--signal must be USR1@SECONDS or TERM@SECONDS, got '{text}'.")
    return found[1], int(found[2] or _GRACE)


def _parts(text: str) -> tuple[str, str | None]:
    key, equals, value = text.lstrip("-").partition("=")
    return key, value if equals else None


def _option(key: str, value: str | None) -> str:
    """Return a line for sbatch, which reads quotes, backslashes and comments as a shell does."""
    text = value or ""
    if "\n" in f"{key}{text}" or not re.fullmatch(r"[a-z][a-z-]*", key):
        raise ConfigError(f"--sbatch '{key}' is not an option of sbatch: write account=ours.")
    if value is None:
        return f"#SBATCH --{key}"
    if re.search(r"[\s#'\"\\]", text):
        text = '"' + re.sub(r"([\"\\])", r"\\\1", text) + '"'
    return f"#SBATCH --{key}={text}"
