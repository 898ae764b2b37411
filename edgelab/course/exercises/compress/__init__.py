"""Exercises of notebook 09."""

from edgelab.course.exercises.compress.pruning import entries_with_fillers, masks_over_all, step_with_mask
from edgelab.course.exercises.compress.sharing import alpha_in_effect, moved_codebook, sharing_ratio

__all__ = [
    "alpha_in_effect",
    "entries_with_fillers",
    "masks_over_all",
    "moved_codebook",
    "sharing_ratio",
    "step_with_mask",
]
