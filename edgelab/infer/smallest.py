"""The smallest .tflite that computes something: for examples and tests, which have no file."""


def relu_tflite(values: int = 3) -> bytes:
    """Write a .tflite with one operator, a ReLU on so many int8 values, without a converter.

    values: how many the input and the output have; scale 0.5, zero point 0. Returns the file's bytes.

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
