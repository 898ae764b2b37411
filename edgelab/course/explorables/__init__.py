"""The explorations that notebooks share, by their subject; `edgelab.course.widgets` has them all."""
