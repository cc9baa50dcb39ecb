"""Annotations (``lib.annotations``) -> samples.

``base``    what the engine may ask of a training set
``sources``  where a data set keeps its files; ``selection`` whom to train on
``detection``  whole images with everybody in them, for the one-stage model
``keys``  random numbers of a sample
``device_crops``  crops to test on, decoded on a GPU
``transforms``  views of people: random crops  ``photometric``  colours and sharpness
``stages``  augmentation by epoch and data set  ``mix``  several data sets as one
``unreadable`` training images that cannot be read
``bottomup``  whole images (``image_people``: by image, ``image_view``: random views)
"""
