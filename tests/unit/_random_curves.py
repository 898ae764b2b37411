"""Random layers that are a function of one value, or of a pair: a part of `_random_tflite.Network`."""

from __future__ import annotations

import numpy as np
from hypothesis import assume

CURVES = {
    "sub": {"SUB"},
    "squared_difference": {"SQUARED_DIFFERENCE"},
    "maximum": {"MAXIMUM"},
    "minimum": {"MINIMUM"},
    "relu_0_to_1": {"RELU_0_TO_1"},
    "tanh": {"TANH"},
    "gelu": {"GELU"},
    "elu": {"ELU"},
    "exp": {"EXP"},
    "log": {"LOG"},
    "sqrt": {"QUANTIZE", "SQRT"},
    "rsqrt": {"QUANTIZE", "RSQRT"},
    "hard_swish": {"HARD_SWISH"},
    "leaky_relu": {"LEAKY_RELU"},
    "prelu": {"PRELU"},
    "abs": {"ABS"},
    "log_softmax": {"LOG_SOFTMAX"},
}


class Curves:
    """Methods that add one layer each. self: a `Network`."""

    def sub(self) -> None:
        number, scale = self.other()
        self.arithmetic("SUB", number, self.new_scale(max(scale, self.scale), -0.5, 1))

    def squared_difference(self) -> None:
        number, scale = self.other()
        scale = self.new_scale(100 * max(scale, self.scale) ** 2, -1, 1)
        options = {"x_last": self.maybe()}
        self.add_operator("SQUARED_DIFFERENCE", [number], self.shape, scale, self.new_zero_point(), **options)

    def maximum(self) -> None:
        self.add_operator("MAXIMUM", [self.other(same=True)[0]], self.shape, x_last=self.maybe())

    def minimum(self) -> None:
        self.add_operator("MINIMUM", [self.other(same=True)[0]], self.shape, x_last=self.maybe())

    def relu_0_to_1(self) -> None:
        self.rescaled("RELU_0_TO_1")

    def abs(self) -> None:
        self.rescaled("ABS")

    def hard_swish(self) -> None:
        self.rescaled("HARD_SWISH")

    def leaky_relu(self) -> None:
        slope = self.pick(0.1, 0.3, 0.5, -0.5, 1.5, 0.0, float(np.float32(self.rng.uniform(0, 1))))
        scale, zero_point = self.new_scale(self.scale, -1, 1), self.new_zero_point()
        self.add_operator("LEAKY_RELU", [], self.shape, scale, zero_point, alpha=slope)

    def prelu(self) -> None:
        shape = self.pick((1, *self.shape), (1, *(1 for _ in self.shape[1:]), self.shape[-1]), self.shape[-1:])
        data = self.rng.integers(-128, 128, shape)
        slopes = self.file.tensor(shape, self.new_scale(0.003), self.new_zero_point(), data=data)
        self.add_operator("PRELU", [slopes], self.shape, self.new_scale(self.scale, -1, 1), self.new_zero_point())

    def tanh(self) -> None:
        """XNNPACK rounds what the C library's tanhf returns, which some versions have wrong in the last bit."""
        exact = np.tanh(float(self.scale) * (np.arange(-128, 128.0) - self.zero_point)) * 128
        assume(np.abs(exact - np.floor(exact) - 0.5).min() > 2e-5)  # of 128: further than that bit from a half step
        self.add_operator("TANH", [], self.shape, np.float32(1 / 128), 0)

    def gelu(self) -> None:
        scale, zero_point = self.new_scale(self.scale, -1, 1), self.new_zero_point()
        self.add_operator("GELU", [], self.shape, scale, zero_point, approximate=self.maybe())

    def elu(self) -> None:
        self.rescaled("ELU")

    def exp(self) -> None:
        self.rescaled("EXP")

    def log(self) -> None:
        self.rescaled("LOG")

    def root(self, kind, scale) -> None:
        """Values from zero up, which a QUANTIZE makes, and their root."""
        self.add_operator("QUANTIZE", [], self.shape, self.scale, -128)
        self.add_operator(kind, [], self.shape, self.new_scale(scale, -1, 1), self.new_zero_point())

    def sqrt(self) -> None:
        self.root("SQRT", np.sqrt(self.scale) / 16)

    def rsqrt(self) -> None:
        self.root("RSQRT", 1 / np.sqrt(self.scale) / 40)

    def log_softmax(self) -> None:
        self.add_operator("LOG_SOFTMAX", [], self.shape, np.float32(1 / 16), 127)
