"""A disk that takes no more."""

import contextlib
import resource


@contextlib.contextmanager
def full_disk(limit=0):
    """Let no file of this process grow beyond ``limit`` bytes (EFBIG) inside the block."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
