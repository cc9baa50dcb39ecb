"""Annotation files -> columns -> samples.

``base``    what the engine may ask of a training set
``tables``  people and images as columns, shared by loader processes
``coco``    COCO annotation and detector files
``detection``  whole images with everybody in them, for the one-stage model
``unreadable`` training images that cannot be read
``bottomup``  whole images (``image_people``: by image, ``image_view``: random views)
"""
