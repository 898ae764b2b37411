"""Train: the Keras models of the course, training and evaluation."""

import os

# TensorFlow greets with C++ log lines on import; a reader who wants them sets the variable first.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
