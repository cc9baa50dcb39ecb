"""The stack on which signal handlers run, kept as it is while a foreign library starts."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager


class SignalStack(ctypes.Structure):
    """``stack_t`` of ``sigaltstack(2)``: address, flags, size in bytes."""

    _fields_ = (
        ("address", ctypes.c_void_p),
        ("flags", ctypes.c_int),
        ("size", ctypes.c_size_t),
    )


@contextmanager
def kept_signal_stack() -> Iterator[None]:
    """Give the calling thread its stack for signal handlers back afterwards.

    OpenVINO puts one of its own there, just large enough for the kernel (11.6 kB where processors
    have tile registers). Python's handlers overflow it, so that the next signal of a data loader,
    or Ctrl+C, ends the process by a segmentation fault.
    """
    if sys.platform != "linux":  # OpenVINO does it nowhere else
        yield
        return
    before = SignalStack()
    change = ctypes.CDLL(None).sigaltstack
    change(None, ctypes.byref(before))
    try:
        yield
    finally:
        change(ctypes.byref(before), None)
