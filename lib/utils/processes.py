"""Is a process still there, and is it the same one? On Linux, macOS and Windows."""

from __future__ import annotations

import ctypes
import os
import socket
import subprocess
import sys
from pathlib import Path

_PROC = Path("/proc")
_GONE = ("Z", "X")  # ended, and perhaps not yet noticed by whoever started it
_QUERY, _STILL_ACTIVE = 0x1000, 259  # of the Windows API


def machine() -> str:
    """Return a name of this machine, or container: process numbers mean something inside it only.

    Two containers may have one host name, and numbers of their own.
    """
    try:
        space = str((_PROC / "self" / "ns" / "pid").readlink())
    except OSError:
        space = ""
    return f"{socket.gethostname()} {space}".strip()


def mark_of(process: int) -> str | None:
    """Return what tells a process from others that had its number before; None if it has ended.

    The mark is empty where the system does not say when it began.
    """
    if sys.platform == "win32":
        return _windows_mark(process)
    if (_PROC / "self" / "stat").is_file():
        return _linux_mark(process)
    return _posix_mark(process)


def _linux_mark(process: int) -> str | None:
    """Boot and clock tick of the start: wall clocks may be set while a process runs."""
    if not (_PROC / str(process)).exists():
        return _hidden_mark(process)
    try:
        content = (_PROC / str(process) / "stat").read_text(encoding="utf-8", errors="replace")
        # After the name, which may hold blanks and brackets: state, 18 fields, start.
        fields = content.rpartition(")")[2].split()
        boot = (_PROC / "sys/kernel/random/boot_id").read_text(encoding="utf-8").strip()
    except (OSError, ValueError):
        return None
    return None if fields[0] in _GONE else f"{boot} {fields[19]}"


def _hidden_mark(process: int) -> str | None:
    """Return the empty mark of a process of somebody else's that /proc does not show us."""
    try:
        os.kill(process, 0)
    except PermissionError:
        return ""
    except OSError:
        return None
    return ""


def _posix_mark(process: int) -> str | None:
    """Ask ``ps``, as macOS has no /proc."""
    command = ["ps", "-o", "stat=,lstart=", "-p", str(process)]
    environment = {**os.environ, "LC_ALL": "C"}
    try:
        done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    except OSError:
        return ""
    state, _, start = done.stdout.strip().partition(" ")
    return None if not state or state[0] in _GONE else start.strip()


def _windows_mark(process: int) -> str | None:
    """Ask the kernel: ``os.kill(process, 0)`` would end the process there."""
    kernel = ctypes.WinDLL("kernel32", use_last_error=True)  # type: ignore[attr-defined]
    kernel.OpenProcess.restype = ctypes.c_void_p
    handle = kernel.OpenProcess(_QUERY, False, process)
    if not handle:
        denied = ctypes.get_last_error() == 5  # type: ignore[attr-defined]
        return "" if denied else None
    try:
        code, times = ctypes.c_ulong(), [ctypes.c_ulonglong() for _ in range(4)]
        kernel.GetExitCodeProcess(ctypes.c_void_p(handle), ctypes.byref(code))
        if code.value != _STILL_ACTIVE:
            return None
        kernel.GetProcessTimes(ctypes.c_void_p(handle), *map(ctypes.byref, times))
        return str(times[0].value)
    finally:
        kernel.CloseHandle(ctypes.c_void_p(handle))
