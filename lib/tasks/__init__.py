"""Ways of turning images into poses; ``base`` declares what the engine may ask of one.

``topdown``   one crop per person (``topdown_options``, ``topdown_crops``, ``topdown_file``)
``bottomup``  whole images, people grouped by tags (``bottomup_maps``, ``bottomup_options``)
``rcnn``      boxes and joints from one network, whole images (``rcnn_people``, ``rcnn_file``)
``data_task`` what these three share; ``sets`` one data set or a mix; ``teacher`` distillation
``splits``    files and evaluators of a data set's splits
``confidence``  scores that mean what they say, for callers
``pictures``  training samples of whole images, painted
``pixels``    bytes -> what networks see   ``heat``  maps of crops -> pictures
``exported``  model files of others, or of ``tools/export.py``, as networks
``transfer``  to the device and back without a wait
"""

from typing import TYPE_CHECKING

from lib.utils.lazy import lazy_names

if TYPE_CHECKING:
    from lib.tasks.base import Task
    from lib.tasks.build import build_task

__all__ = ["Task", "build_task"]
__getattr__ = lazy_names(__name__, {"Task": "lib.tasks.base", "build_task": "lib.tasks.build"})
