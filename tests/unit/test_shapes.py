"""Networks without values for their weights: counted alike, and without a trace in those built later."""

import keras

from edgelab.train.costs import count, shapes_only
from edgelab.train.networks import build


def test_counts_need_no_values():
    with shapes_only():
        bare = build("mobilenet_v2_small")
    assert all(weight._value is None for weight in bare.weights)
    whole = build("mobilenet_v2_small")
    assert [row[1:] for row in count(bare).rows] == [row[1:] for row in count(whole).rows]


def test_what_is_built_later_has_values_and_nothing_is_drawn_after_all():
    """Keras would draw what was left out while it builds the next network, and take the time and memory then."""
    with shapes_only():
        bare = keras.layers.Dense(3)
        bare.build((None, 2))
    later = keras.layers.Dense(3)
    later.build((None, 2))
    assert bare.kernel._value is None
    assert later.kernel.numpy().shape == (2, 3)
