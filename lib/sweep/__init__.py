"""Many trainings of one experiment, and which settings of it are best.

``space``     what may vary, from words or a YAML file
``samplers``  the next settings to try: a grid, at random, or by Optuna
``store``     what was tried and how it went, in SQLite
``trials``    one training, and its score
``search``    trial after trial, until a number of them or a signal
``table``     the outcome, best first
"""
