"""Which tensor operations run inside a context."""

from torch.utils._python_dispatch import TorchDispatchMode


class Operations(TorchDispatchMode):
    """Collects the names of the operations that run."""

    def __init__(self):
        super().__init__()
        self.names = set()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.names.add(func.__name__)
        return func(*args, **(kwargs or {}))

    def interpolations(self):
        """Return the names of those that resample a map."""
        return sorted(name for name in self.names if "upsample" in name or "grid" in name)
