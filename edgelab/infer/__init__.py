"""Infer: what a .tflite is and how it runs. NumPy and LiteRT, never TensorFlow."""
