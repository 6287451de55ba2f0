"""How fast a kernel is: times beside rivals, against the roofs of the same GPU, measured in the same process.

What decides a number lies in `timing`, `gpu` and `trial`: a recorded benchmark goes stale when one of them changes.
"""
