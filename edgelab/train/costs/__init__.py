"""What a Keras model costs: parameters, multiply-accumulates, memory, joules."""

from edgelab.train.costs.counting import count
from edgelab.train.costs.energy_model import Energy, energy, joules_per_byte, joules_per_mac
from edgelab.train.costs.shapes import shapes_only
