"""Further answers to the exercises, right and wrong, written otherwise than the solutions and the known mistakes.

A file for each notebook, named as the module of its exercises. RIGHT: exercise to functions. WRONG: exercise to pairs
of a function and whether `check` has a note on it.
"""
