import subprocess
import sys

import pytest

CODE = """
import resource
import numpy as np
from lib.utils.allocator import keep_all_freed_memory, keep_freed_memory
{before}
def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
def touch():
    # Four, freed together: more than glibc keeps unless it is told to.
    blocks = [np.full({size} << 20, 1, np.uint8) for _ in range(4)]
touch()
start = faults()
for _ in range(10):
    touch()
print(faults() - start)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="glibc only")
@pytest.mark.parametrize(
    ("size", "call"),
    [
        (4, "keep_freed_memory()"),
        (40, "keep_all_freed_memory()"),
        (40, "keep_all_freed_memory(); keep_freed_memory()"),  # the latter takes nothing back
    ],
)
def test_memory_that_is_freed_is_used_again(size, call):
    counts = []
    for before in ("", call):
        code = CODE.format(before=before, size=size)
        command = [sys.executable, "-c", code]
        counts.append(int(subprocess.run(command, capture_output=True, check=True).stdout))
    assert counts[1] < 200 < 5 * counts[1] + 2000 < counts[0], counts
