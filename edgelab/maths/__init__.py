"""Maths: reference implementations in NumPy, forward and backward."""
