"""How many cores a benchmark's process may use. TensorFlow sets its threads once: before its first operation."""


def use_cores(n: int = 1) -> None:
    """Keep TensorFlow in this process to n threads: then seconds compare, and runs side by side do not disturb."""
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(n)
    tf.config.threading.set_inter_op_parallelism_threads(n)
