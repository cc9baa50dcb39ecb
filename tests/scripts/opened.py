"""Print how often a training and a test open each file to read it: ``opened.py CONFIG``.

A process of its own, as Python keeps such hooks until it ends.
"""

import json
import os
import sys
from collections import Counter

from tool_loader import load_script

opened: Counter[str] = Counter()


def hook(event: str, arguments: tuple) -> None:
    """Count what is opened for reading."""
    if event != "open" or not isinstance(arguments[0], str | bytes):
        return
    mode, flags = arguments[1], arguments[2]
    writes = any(c in mode for c in "wax+") if mode else flags & (os.O_WRONLY | os.O_RDWR)
    if not writes:
        opened[os.path.realpath(os.fsdecode(arguments[0]))] += 1


def main() -> None:
    """Run both tools; the last line of the output holds the counts of each."""
    sys.addaudithook(hook)
    found = {}
    for name in ("train", "test"):
        tool = load_script(f"tools/{name}.py")
        opened.clear()
        tool.main(["--cfg", sys.argv[1]])
        found[name] = dict(opened)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
