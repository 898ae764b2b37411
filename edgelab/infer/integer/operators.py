"""Which runtime rounds in which way: the table that the integer engine follows."""

# Found by comparing with each of them, over whole tables of int8 pairs and thousands of random networks. A rule is one
# of `edgelab.infer.integer.rescale` where it knows the name, else what the function for the operator says. What isn't
# named here is the same everywhere: pooling, ReLU, and what only moves values.
RULES = {
    # LiteRT's plain kernels, which other implementations are measured by.
    "reference": {
        "CONV_2D": "double",
        "DEPTHWISE_CONV_2D": "double",
        "FULLY_CONNECTED": "single",
        "MEAN": "double",
        "ADD": "double",
        "MUL": "double",
        "SOFTMAX": "fixed",
        "LOGISTIC": "away",
        "QUANTIZE": "double",
        "QUANTIZE float32": "away",
        "DEQUANTIZE": "exact",
    },
    # LiteRT's optimised kernels without a delegate, on x86-64: there the last digit depends on the processor's family.
    "builtin": {
        "CONV_2D": "builtin",
        "DEPTHWISE_CONV_2D": "builtin8",
        "FULLY_CONNECTED": "builtin",
        "MEAN": "builtin16",
        "ADD": "builtin",
        "MUL": "double",
        "SOFTMAX": "table",
        "LOGISTIC": "away",
        "QUANTIZE": "builtin16",
        "QUANTIZE float32": "inverse8",
        "DEQUANTIZE": "vectors",
    },
    # XNNPACK, which LiteRT uses unless told otherwise. What it doesn't take, the optimised kernels run.
    "xnnpack": {
        "CONV_2D": "float32",
        "DEPTHWISE_CONV_2D": "float32",
        "FULLY_CONNECTED": "float32",
        "MEAN": "float32",
        "ADD": "shift",
        "MUL": "float32",
        "SOFTMAX": "table",
        "LOGISTIC": "even",
        "QUANTIZE": "8bit",
        "QUANTIZE float32": "inverse",
        "DEQUANTIZE": "exact",
    },
    # TensorFlow Lite Micro. As an operator of its own, RELU6 there forgets that its output may have another scale.
    "micro": {
        "CONV_2D": "double",
        "DEPTHWISE_CONV_2D": "double",
        "FULLY_CONNECTED": "double",
        "MEAN": "double",
        "ADD": "double",
        "MUL": "double",
        "SOFTMAX": "fixed",
        "LOGISTIC": "fixed",
        "RELU6": "clip",
        "QUANTIZE": "double",
        "QUANTIZE float32": "away",
        "DEQUANTIZE": "exact",
    },
}
