"""Annotation files -> one checked format: the only place that opens them.

Training, testing, the evaluators, report, plots, browse and doctor take what comes out of here.

``reading``     COCO annotation files
``mpii``        MPII's JSON
``wholebody``   COCO-WholeBody's five lists of joints
``tables``      people and images as columns, shared by loader processes
``columns``     entries of a file -> columns of numbers
``form``        the checked format, and the data set that pycocotools scores
``decisions``   what had to be decided, one line each
``categories``  which categories are people; ``skeletons`` what their joints are
``people``      annotations, part by part: ``ids``, ``images``, ``joints``, ``boxes``, ``areas``,
                ``outlines``
``detections``  detector and result files; ``objects`` boxes of all categories
``matching``    one rule for which picture a name or id belongs to
"""
