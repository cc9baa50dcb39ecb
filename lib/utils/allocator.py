"""Memory that pictures come and go in, kept instead of given back and asked for again."""

from __future__ import annotations

import ctypes
import sys
from functools import cache

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # glibc's numbers in malloc.h
_LARGEST_BLOCK = 32 << 20  # bytes; glibc takes no larger one
_KEPT = 64 << 20  # bytes


@cache  # once in a process, and those that it forks
def keep_freed_memory() -> None:
    """Let glibc keep up to 64 MB of freed memory, in blocks of up to 32 MB.

    Otherwise the memory of one picture goes back to the system when the next takes its place, and
    each of its pages is cleared, and costs an interruption, when it is written to again: on
    photographs of 640 x 480 pixels a sixth of the time that decoding takes. Other C libraries are
    left as they are.
    """
    if sys.platform != "linux":
        return
    set_option = getattr(ctypes.CDLL(None), "mallopt", None)
    if set_option is not None:
        set_option(_MMAP_THRESHOLD, _LARGEST_BLOCK)
        set_option(_TRIM_THRESHOLD, _KEPT)
