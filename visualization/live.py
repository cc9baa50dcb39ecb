"""A page about runs that are still going on: ``python visualization/live.py --run FOLDER``.

Curves, scores, speed, time and memory, of several runs together if ``--run`` names them. The page
looks again by itself. It is served on this machine only, unless ``--host`` says otherwise, and
changes nothing.
"""

from __future__ import annotations

import argparse
import contextlib
from http.server import ThreadingHTTPServer
from pathlib import Path

from lib.utils.cli import run_tool


def main(argv: list[str] | None = None) -> None:
    """Serve until Ctrl-C."""
    server = start(argv)
    with server, contextlib.suppress(KeyboardInterrupt):
        server.serve_forever()


def start(argv: list[str] | None = None) -> ThreadingHTTPServer:
    """Return the server, listening, and print its address.

    Raises:
        DataError: something else has the name of a folder.
        ConfigError: the port is taken.
    """
    parser = argparse.ArgumentParser(description="Serve a page about runs that are going on.")
    add = parser.add_argument
    add("--run", required=True, nargs="+", type=Path, metavar="FOLDER", help="run folders")
    add("--port", type=int, default=8000, help="0: any that is free (default: 8000)")
    add("--host", default="127.0.0.1", help="address to listen on (default: this machine only)")
    args = parser.parse_args(argv)

    from lib.report.live import LiveRuns, build_server

    runs = LiveRuns(args.run)
    server = build_server(runs, args.host, args.port)
    for folder in runs.absent:
        print(f"{folder} is not there yet; the page shows it as soon as its training begins")
    print(f"http://{args.host}:{server.server_address[1]}/  (Ctrl-C ends it)", flush=True)
    return server


if __name__ == "__main__":
    run_tool(main)
