"""Annotation files -> one checked form: the only place that opens them.

Training, testing, the evaluators, report, plots, browse and doctor take what comes out of here.

``reading``     COCO annotation and detector files
``mpii``        MPII's JSON
``wholebody``   COCO-WholeBody's five lists of joints
``tables``      people and images as columns, shared by loader processes
``columns``     entries of a file -> columns of numbers
"""
