"""What people look at instead of logs: one self-contained HTML page from a run folder.

``page``      HTML elements and the style sheet, light and dark
``charts``    lines and bars as inline SVG
``run``       a run folder's files, read and checked
``cases``     the people worth looking at, painted
``sections``  the parts of the page about COCO and CrowdPose; ``mpii`` those about MPII
``reliability``  what scores mean
``stress``    response curves
``scores``    result files against one ground truth
``comparison``  the parts of the page about two runs
``worst``     training samples that lost most
``history``   training curves and timing; ``live`` those of runs that are going on
``ledger``    cost, published score and weights of every experiment; ``costs`` of one
"""
