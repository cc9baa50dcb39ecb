"""Weight files by name: found on the disk, or fetched once.

* ``index.json``, ``index.py``: published files: name, address, hash, layout, experiment, scores.
* ``fetch.py``: an address -> a file in the cache, complete and verified; ``answers.py``: what
  servers send.
* ``resolve.py``: whatever a user may write for a weight file -> a path; the only such place.
* ``hub.py``: repositories of the Hugging Face hub, both ways.
* ``card.py``: what a weight file says about itself, and how it is kept inside; ``metadata.py``: of
  exported files.
"""

from lib.zoo.resolve import resolve_weights

__all__ = ["resolve_weights"]
