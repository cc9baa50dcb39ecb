"""A claim of a score that checks itself: what was computed from what, and a sample done again.

``opening``     a tested run, or a claim, and what predicts its images
``claim``       the file: hashes, predictions, scores and their doubts
``doubts``      how far a score can be trusted: images, seeds, annotators
``sampling``    which images are predicted again, and how surely a false claim is seen
``influence``   how much a score can have been raised by changing few people
``comparing``   poses that are the same but for rounding
``files``       hashes of files and code
``predicting``  the poses of some images of a test split
``checking``    what a check computes, and with which probabilities it errs
``judging``     files and predictions of a claim -> the verdict, in words
"""
