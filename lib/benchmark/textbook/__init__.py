"""The slow, plain form of what this project does fast: joint by joint, person by person.

These are the family's definitions written as one would explain them. Tests compare our results with
theirs, ``tools/benchmark.py`` compares the time; nothing else uses them.
"""
