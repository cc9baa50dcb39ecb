"""Annotations (``lib.annotations``) -> samples.

``base``    what the engine may ask of a training set
``sources``  where a data set keeps its files; ``selection`` whom to train on
``detection``  whole images with everybody in them, for the one-stage model
``unreadable`` training images that cannot be read
``bottomup``  whole images (``image_people``: by image, ``image_view``: random views)
"""
