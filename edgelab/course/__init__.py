"""Course: what turns the package into a course (plots, the notebook runner, copying helpers)."""
