"""Course: exercises, widgets, figures, the notebook runner, `edgelab copy` and `edgelab sync`."""
