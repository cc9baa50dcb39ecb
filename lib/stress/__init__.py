"""How a model's answers change with one thing at a time: response curves.

``view``     one annotated person in its surroundings, and how geometry moves both
``views``    the views of a data set
``factors``  what is changed, by which levels
``curves``   predictions and scores of every level, with intervals
``demand``   sentences such as ``AP >= 0.9 of clean at occlusion 0.4``
"""
