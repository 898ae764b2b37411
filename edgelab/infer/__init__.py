"""Deploy: run a .tflite on a device; nothing here reaches TensorFlow or Keras."""
