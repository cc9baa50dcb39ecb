"""What all tools share: a user's mistake is one sentence and exit code 2, never a traceback."""

from __future__ import annotations

import argparse
import errno
import io
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from lib.utils.errors import DataError, UserError
from lib.utils.files import fault_in
from lib.utils.plugins import blame


def run_tool(main: Callable[[], object]) -> NoReturn:
    """Run ``main`` and leave the process: 0 done, 2 a user's mistake, 130 interrupted.

    141 says, as shells do, that nobody reads the output any more (``tool | head``).

    What fails in a user's part (``IMPORTS``) is a user's mistake, too. Any other exception is a
    fault of ours and keeps its traceback.
    """
    for stream in (sys.stdout, sys.stderr):  # Windows' consoles lack letters that names may have
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    try:
        main()
        sys.stdout.flush()  # here, where a closed pipe is no traceback
    except BrokenPipeError:
        # Python flushes once more when it ends; that must not fail, too.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        sys.exit(130)
    except Exception as error:
        sentence = _sentence(error)
        if sentence is None:
            raise
        sys.stderr.write(f"error: {sentence}\n")
        sys.exit(2)
    sys.exit(0)


def write_file(file: str, text: str) -> None:
    """Write what a flag asked for, its folder if it is not there, and say so."""
    Path(file).parent.mkdir(parents=True, exist_ok=True)
    Path(file).write_text(text, encoding="utf-8")
    sys.stdout.write(f"{file}\n")


def drawing(text: str) -> Path:
    """Return the path of a chart to draw, a type of ``argparse``: found wrong before the work.

    Raises:
        argparse.ArgumentTypeError: it has another ending than charts have.
    """
    if Path(text).suffix.lower() not in (".png", ".svg", ".pdf", ".jpg"):
        raise argparse.ArgumentTypeError(f"must end in .png, .svg, .pdf or .jpg, got {text}")
    return Path(text)


def count(text: str) -> int:
    """Return a whole number from 1, as the ``type`` of an option."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number of at least 1, got {text}")
    return int(text)


def amount(text: str) -> int:
    """Return a whole number from 0, as the ``type`` of an option."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"must be a whole number of at least 0, got {text}")
    return int(text)


def require_pictures(path: str) -> None:
    """Refuse an ``--image-path`` that is no folder.

    Raises:
        DataError: it is not there.
    """
    if not Path(path).is_dir():
        raise DataError(f"No folder '{path}': give --image-path, where the images are.")


def _sentence(error: Exception) -> str | None:
    """Return what a user did wrong, or what the machine lacks; None where the fault is ours."""
    if isinstance(error, UserError):
        return str(error)
    if isinstance(error, OSError):
        return _of_disk(error)
    if blamed := blame(error):
        return blamed
    if type(error).__module__.startswith(("torch._inductor", "torch._dynamo")):
        cause = str(getattr(error, "inner_exception", error)).strip()
        return (
            f"torch.compile failed: {cause.splitlines()[0]}; it takes a C++ compiler "
            "and Python's headers (Debian: g++, python3-dev). TRAIN.COMPILE and TEST.COMPILE false "
            "do without."
        )
    operator = re.search(r"operator '([^']+)'.*\bMPS\b", str(error), re.DOTALL)
    if isinstance(error, NotImplementedError) and operator is not None:
        return (
            f"Apple's GPU (mps) has no operator {operator[1]}; set the environment variable "
            "PYTORCH_ENABLE_MPS_FALLBACK=1 to run it on the CPU, or run all there: GPUS '()'."
        )
    return None


def _of_disk(error: OSError) -> str | None:
    if error.errno == errno.ENOSPC:
        advice = "free some space, and start again"
    elif error.filename is not None:  # a file or folder that cannot be read or made
        advice = "check the path"
    else:
        return None
    place = f"{error.filename}{fault_in(error.filename)}: " if error.filename else ""
    return f"{place}{error.strerror}; {advice}."
