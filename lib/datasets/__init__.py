"""Annotation files -> columns -> samples.

``tables``  people and images as columns, shared by loader processes
``coco``    COCO annotation and detector files
"""
