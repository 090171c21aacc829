"""What ``max_size`` and ``budget`` should be, from what was recorded, and why.

`loads` reads what there is, `queueing` has the arithmetic, `judging` draws the conclusions and
says them in sentences. See ``docs/advise.md``.
"""
