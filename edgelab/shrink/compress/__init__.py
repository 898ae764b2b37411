"""Compression: pruning, shared weights, Huffman codes, a packed file, distillation."""

from edgelab.shrink.compress.cluster import STARTS, cluster_weights, codebook_gradient, first_codebook, lloyd
from edgelab.shrink.compress.cluster_train import share, to_layers
from edgelab.shrink.compress.distillation import (
    check_distillation,
    distil,
    distillation_grad,
    distillation_loss,
    distiller,
    log_softmax,
    probabilities_of,
    soften,
)
from edgelab.shrink.compress.huffman import (
    canonical_codes,
    canonical_order,
    check_frequencies,
    code_lengths,
    decode,
    encode,
    entropy,
)
from edgelab.shrink.compress.packed_reader import MAGIC, VERSION, Layer, from_gaps, run, unpack
from edgelab.shrink.compress.packed_writer import pack, pack_layer, to_gaps
from edgelab.shrink.compress.prune import (
    channel_scores,
    check_sparsity,
    check_weights,
    keep_channels,
    magnitude_mask,
    sparsity_schedule,
    two_of_four_mask,
)
from edgelab.shrink.compress.prune_train import prune_channels, pruning
