"""Labelled pictures -> everything that a first training needs, see ``tools/data/init.py``.

``groups``      pictures that belong together: of a video, a person, almost the same
``splits``      training, validation, folds, no group on two sides
``joints``      the skeleton YAML, sigmas marked as measured or assumed
``experiment``  the experiment YAML
"""
