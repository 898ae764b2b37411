"""What the tests of the integer engine's files share: int8 values, and scales and zero points to draw."""

import numpy as np
from hypothesis import strategies as st

INT8 = np.arange(-128, 128).astype(np.int8)
# All pairs of int8, as two images of 256 by 256.
PAIRS = np.repeat(INT8, 256).reshape(1, 256, 256), np.tile(INT8, 256).reshape(1, 256, 256)
scales = st.floats(2**-10, 1.0, width=32)
zero_points = st.integers(-128, 127)


def random_int8(rng, *shape):
    return rng.integers(-128, 128, shape).astype(np.int8)
