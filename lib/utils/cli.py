"""What all tools share: a user's mistake is one sentence and exit code 2, never a traceback."""

from __future__ import annotations

import errno
import io
import re
import sys
from collections.abc import Callable
from typing import NoReturn

from lib.utils.errors import UserError
from lib.utils.files import fault_in


def run_tool(main: Callable[[], object]) -> NoReturn:
    """Run ``main`` and leave the process: 0 done, 2 a user's mistake, 130 interrupted.

    Any other exception is a fault of ours and keeps its traceback.
    """
    for stream in (sys.stdout, sys.stderr):  # Windows' consoles lack letters that names may have
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    try:
        main()
    except UserError as error:
        sys.stderr.write(f"error: {error}\n")
        sys.exit(2)
    except OSError as error:
        if error.errno == errno.ENOSPC:
            advice = "free some space, and start again"
        elif error.filename is not None:  # a file or folder that cannot be read or made
            advice = "check the path"
        else:
            raise
        place = f"{error.filename}{fault_in(error.filename)}: " if error.filename else ""
        sys.stderr.write(f"error: {place}{error.strerror}; {advice}.\n")
        sys.exit(2)
    except NotImplementedError as error:
        operator = re.search(r"operator '([^']+)'.*\bMPS\b", str(error), re.DOTALL)
        if operator is None:
            raise
        sys.stderr.write(
            f"error: Apple's GPU (mps) has no operator {operator[1]}; set the environment variable "
            "PYTORCH_ENABLE_MPS_FALLBACK=1 to run it on the CPU, or run all there: GPUS '()'.\n"
        )
        sys.exit(2)
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        sys.exit(130)
    sys.exit(0)
