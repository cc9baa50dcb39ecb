"""Time of every stage beside its textbook form, in one run (``tools/benchmark.py``).

``timing``    alternating measurements, median and spread
``inputs``    made-up inputs of the stages that need no images
``data``      stages that read images: training crops, test crops
``results``   stages after the network: decoding, grouping, suppression, scoring
``network``   forward pass, training step, a whole test
``latency``   forms of one network: memory order, folded, compiled, exported (``tools/latency.py``)
``int8``      a file before and after it was quantised (``tools/export.py --int8``)
``scaling``   time and memory as the work grows (``tools/scaling.py``)
``memory``    what one run adds to the peak
``checks``    one row per check, whatever becomes of it
``device``    what a GPU must be able to do, and how fast (``tools/speed/gpu_check.py``)
``textbook``  the slow forms, also the oracles of the tests
"""
