"""The smallest .tflite worth running: for examples and tests, where no file is at hand."""


def relu_tflite(values: int = 3) -> bytes:
    """Write the smallest .tflite worth running: one ReLU on so many int8 values, without a converter.

    values: length of its input and of its output, each a multiple of 0.5. Returns the file's bytes.

    >>> relu_tflite()[4:8]
    b'TFL3'
    """
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    scale = schema.QuantizationParametersT(scale=[0.5], zeroPoint=[0])
    int8 = {"shape": [1, values], "type": schema.TensorType.INT8, "quantization": scale}
    tensors = [schema.TensorT(name=name, **int8) for name in ("x", "y")]
    operators = [schema.OperatorT(inputs=[0], outputs=[1])]
    graph = schema.SubGraphT(tensors=tensors, inputs=[0], outputs=[1], operators=operators)
    number = schema.BuiltinOperator.RELU
    code = schema.OperatorCodeT(builtinCode=number, deprecatedBuiltinCode=number, version=2)
    builder = flatbuffers.Builder()
    model = schema.ModelT(3, operatorCodes=[code], subgraphs=[graph], buffers=[schema.BufferT()])
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())
