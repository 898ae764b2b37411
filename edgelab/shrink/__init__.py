"""Shrink: from a Keras model to a small .tflite."""
