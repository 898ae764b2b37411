"""edgelab: the helper package of a course on deep learning for edge devices."""

__version__ = "0.1.0"
