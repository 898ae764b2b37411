"""Train a Keras classifier: the loop, what it is fed, what watches it, BatchNorm's averages."""

from edgelab.train.fitting.augmentation import Augment, augmented, warp
from edgelab.train.fitting.batch_norm import settle
from edgelab.train.fitting.batches import stream
from edgelab.train.fitting.callbacks import guard, progress_bar
from edgelab.train.fitting.training import fit, hold_out, set_seed
