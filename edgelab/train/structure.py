"""What a Keras model consists of: its ends, its layers at any depth, its calls, and a graph without inner models.

A layer may be hidden from `model.layers`: inside an inner model (a backbone), a wrapper such as Bidirectional, or a
layer with sublayers and a call() of its own. Code that walks `model.layers` passes over it in silence.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import keras


def check_declared(model: keras.Model, inputs: int | None = 1, outputs: int | None = None) -> None:
    """Check that a model declares its input: a functional model does, and a Sequential that knows its input's shape.

    inputs, outputs: 1 where it must have one, None: any number. Raises ValueError with what to do for a Sequential
    without Input, for a subclass of Model with a call() of its own, and for another number of inputs or outputs;
    TypeError for what is no Keras model.

    >>> from keras import Input, Sequential, layers
    >>> check_declared(Sequential([Input((4,)), layers.Dense(2)]))
    """
    kind = type(model).__name__
    if not hasattr(model, "_flatten_layers"):
        raise TypeError(f"the model is {model!r:.60}, a {kind}; expected a Keras model: keras.models.load_model(path)")
    name = model.name
    if not hasattr(getattr(model, "_functional", None) or model, "_run_through_graph"):
        if kind == "Sequential":
            raise ValueError(
                f"model {name!r} is a Sequential without a declared input; expected its shape. Begin it with "
                "keras.Input(shape), such as keras.Input((28, 28, 1)), or call model.build((None, 28, 28, 1))"
            )
        raise ValueError(
            f"model {name!r} is a {kind} without a declared input; expected a Sequential or functional model. Wrap it: "
            "x = keras.Input((28, 28, 1)); keras.Model(x, model(x))"
        )
    ends = len(model.inputs), len(model.outputs)
    if any(wanted is not None and found != wanted for wanted, found in zip((inputs, outputs), ends, strict=True)):
        found = f"{ends[0]} inputs" if outputs is None else f"{ends[0]} inputs, {ends[1]} outputs"
        raise ValueError(
            f"model {name!r} has {found}; expected one{'' if outputs is None else ' of each'}. Take a part: "
            "keras.Model(model.inputs[0], model.outputs[0])"
        )


def check_classifier(model: keras.Model) -> tuple[tuple[int | None, ...], int]:
    """Return the shape of a classifier's input, without the batch, and its number of classes.

    Raises ValueError as `check_declared` does, and where the output is not (n, classes).

    >>> from keras import Input, Sequential, layers
    >>> check_classifier(Sequential([Input((28, 28, 1)), layers.Flatten(), layers.Dense(10)]))
    ((28, 28, 1), 10)
    """
    check_declared(model, inputs=1, outputs=1)
    shape = tuple(model.outputs[0].shape)
    if len(shape) != 2 or shape[-1] is None:
        raise ValueError(
            f"model {model.name!r} answers {shape}; expected (n, classes): end it with Flatten or global pooling, and "
            "a Dense layer with one unit for each class"
        )
    if shape[-1] == 1:
        raise ValueError(
            f"model {model.name!r} has a single output; expected a logit for each class. For two classes end it with "
            "Dense(2) without activation, in place of Dense(1)"
        )
    return tuple(model.inputs[0].shape[1:]), int(shape[-1])


def every_layer(model: keras.Model) -> list[keras.Layer]:
    """Return all layers of a model, also those in inner models, in wrappers and in layers with sublayers, each once.

    model: any Keras model or layer, which is not in the list itself. The inner models and wrappers are in it.

    >>> from keras import Input, Sequential, layers
    >>> inner = Sequential([Input((4,)), layers.Dense(3, name="hidden")])
    >>> [layer.name for layer in every_layer(Sequential([Input((4,)), inner])) if layer.weights and not layer._layers]
    ['hidden']
    """
    return model._flatten_layers(include_self=False)


def calls(model: keras.Model) -> list[Any]:
    """Return the calls of layers and operations in a model's own graph, each after those whose outputs it reads.

    Calls in other models that share the layers are not among them. Each has `operation`, `input_tensors`, `outputs` and
    `arguments`, as Keras' nodes do. Raises ValueError as `check_declared` does.

    >>> from keras import Input, Sequential, layers
    >>> [node.operation.name for node in calls(Sequential([Input((4,)), layers.Dense(2, name="d")]))]
    ['d']
    """
    check_declared(model, inputs=None)
    graph = getattr(model, "_functional", None) or model
    depths = sorted(graph._nodes_by_depth, reverse=True)
    return [node for depth in depths for node in graph._nodes_by_depth[depth] if not node.is_input]


def check_no_hidden(model: keras.Model, kinds: tuple[type, ...], purpose: str) -> None:
    """Raise ValueError naming a layer that holds a layer of these kinds in a wrapper, or in a call() of its own.

    model: flat (see `flat`). purpose: what can't be done with it, for the message.

    >>> from keras import Input, Sequential, layers
    >>> net = Sequential([Input((3, 4)), layers.TimeDistributed(layers.Dense(2, name="d"), name="steps")])
    >>> check_no_hidden(net, (layers.Dense,), "shared")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    ValueError: layer 'steps', a TimeDistributed, holds 'd', a Dense, which can't be shared there; expected ...
    """
    for layer in model.layers:
        for inner in every_layer(layer):
            if isinstance(inner, kinds):
                raise ValueError(
                    f"layer {layer.name!r}, a {type(layer).__name__}, holds {inner.name!r}, a {type(inner).__name__}, "
                    f"which can't be {purpose} there; expected it in a Sequential or functional model, as a layer of "
                    "its own"
                )


def flat(model: keras.Model) -> keras.Model:
    """Return the same network without inner models: a copy with all layers in one graph, or the model if it has none.

    model: Sequential or functional, any number of inputs. Layers of equal names get the inner model's name in front.
    Weights are copies. Raises ValueError as `check_declared` and `rebuilt` do.

    >>> from keras import Input, Sequential, layers
    >>> inner = Sequential([Input((4,)), layers.Dense(3, name="hidden")], name="inner")
    >>> [layer.name for layer in flat(Sequential([Input((4,), name="x"), inner, layers.Dense(2, name="out")])).layers]
    ['x', 'hidden', 'out']
    """
    operations = [node.operation for node in calls(model)]
    inner = [
        found for found in operations if hasattr(getattr(found, "_functional", None) or found, "_run_through_graph")
    ]
    return rebuilt(model) if inner else model


def rebuilt(
    model: keras.Model, replace: Callable[[keras.Layer], Callable[..., Any] | None] = lambda layer: None
) -> keras.Model:
    """Build a network again from new layers, without inner models.

    replace: returns what takes the place of a layer, any function of the layer's inputs, or None for a copy with the
    same weights. It is called once for each layer; layers that are shared stay shared. Returns a functional model.
    Raises ValueError as `check_declared` does, and naming a layer that can't be built from its get_config().

    >>> from keras import Input, Sequential, layers
    >>> net = Sequential([Input((4,)), layers.Dense(3), layers.ReLU()])
    >>> rebuilt(net, lambda layer: (lambda x: x) if isinstance(layer, layers.ReLU) else None).output_shape
    (None, 3)
    """
    import keras

    check_declared(model, inputs=None)
    made: dict[int, Any] = {}
    names: set[str] = set()
    copies: list[tuple[keras.Layer, keras.Layer]] = []

    def new(layer: keras.Layer, outer: str) -> Any:
        if id(layer) not in made:
            made[id(layer)] = replace(layer) or copied(layer, outer)
        return made[id(layer)]

    def copied(layer: keras.Layer, outer: str) -> keras.Layer:
        if isinstance(layer, keras.layers.Lambda):
            return layer  # its function can't be built from text; it has no weights
        try:
            name = layer.name
            while name in names:  # of another inner model
                name = f"{outer}_{name}"
            names.add(name)
            copy = type(layer).from_config(layer.get_config() | {"name": name})
        except (NotImplementedError, TypeError, ValueError) as error:
            lines = [line for line in str(error).splitlines() if line.strip()] or ["no reason given"]
            why = lines[-1] if lines[-1].startswith("Exception encountered") else lines[0]
            raise ValueError(
                f"layer {layer.name!r}, a {type(layer).__name__}, can't be built again ({why}). Give its class an "
                "__init__ that passes **kwargs on, and a get_config() that returns its arguments"
            ) from error
        copies.append((layer, copy))
        return copy

    def run(operation: Any, outer: str) -> Callable[..., Any]:
        graph = getattr(operation, "_functional", None) or operation
        if not hasattr(graph, "_run_through_graph"):
            return new(operation, outer) if isinstance(operation, keras.Layer) else operation

        def call(*args: Any, **more: Any) -> Any:
            inputs = graph._adjust_input_rank(keras.tree.flatten(args[0] if args else more["inputs"]))
            return graph._run_through_graph(inputs, operation_fn=lambda each: run(each, operation.name))

        return call

    names.update(x._keras_history.operation.name for x in model.inputs)
    inputs = [
        keras.Input(batch_shape=x.shape, dtype=x.dtype, name=x._keras_history.operation.name) for x in model.inputs
    ]
    graph = getattr(model, "_functional", None) or model
    outputs = keras.tree.flatten(graph._run_through_graph(inputs, operation_fn=lambda each: run(each, model.name)))
    ends = [each[0] if len(each) == 1 else each for each in (inputs, outputs)]
    result = keras.Model(*ends, name=model.name)
    for layer, copy in copies:
        if layer.weights:
            copy.set_weights(layer.get_weights())
    return result
