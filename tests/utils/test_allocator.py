import subprocess
import sys

import pytest

CODE = """
import resource
import numpy as np
from lib.utils.allocator import keep_freed_memory
{before}
def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
def touch():
    # Four of 4 MB, freed together: more than glibc keeps unless it is told to.
    blocks = [np.full(4 << 20, 1, np.uint8) for _ in range(4)]
touch()
start = faults()
for _ in range(10):
    touch()
print(faults() - start)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="glibc only")
def test_memory_that_is_freed_is_used_again():
    counts = []
    for before in ("", "keep_freed_memory()"):
        command = [sys.executable, "-c", CODE.format(before=before)]
        counts.append(int(subprocess.run(command, capture_output=True, check=True).stdout))
    assert counts[1] < 200 < 5 * counts[1] + 2000 < counts[0], counts
