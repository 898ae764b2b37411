"""Train a Keras classifier: the loop, its batches and augmentation, its callbacks, BatchNorm's averages."""

from edgelab.train.fitting.augmentation import Augment, augmented, warp
from edgelab.train.fitting.batch_norm import settle
from edgelab.train.fitting.batches import stream
from edgelab.train.fitting.callbacks import guard, progress_bar
from edgelab.train.fitting.training import fit, hold_out, set_seed
