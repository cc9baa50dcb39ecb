"""One file per codec: a class that keeps the contract of ``lib.codecs.base``, and its registration.

``maps`` is what codecs of one heatmap per joint have in common. Whatever file stands here is
imported, and its codec is known by the name under which it is registered; nothing else lists them.
Configurations are checked against these files, so they import torch only where they compute.
"""

from importlib import import_module
from pkgutil import iter_modules

for _module in iter_modules(__path__):
    import_module(f"{__name__}.{_module.name}")
