"""A rotating machine with a growing bearing fault, simulated from its physics, and the features an edge device keeps.

A shaft turns and shakes the housing at its own frequency and the multiples. When the outer ring of a bearing has a
defect, each ball that rolls over it strikes a blow, and the housing rings like a bell that is hit at the defect
frequency: Randall and Antoni 2011, "Rolling element bearing diagnostics: a tutorial".
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


def defect_frequency(shaft_hz: float, balls: int = 9, ball_to_pitch: float = 0.2, angle: float = 0.0) -> float:
    """Return how many balls a second roll over a defect of the fixed outer ring (BPFO), in Hz.

    shaft_hz: turns a second. ball_to_pitch: diameter of a ball over that of the circle they run on, 0 to 1. angle: of
    contact, in radians. Raises ValueError for values that no bearing has. Source: Randall and Antoni 2011, eq. 1.

    >>> defect_frequency(25.0, balls=9, ball_to_pitch=0.2)
    90.0
    """
    if not (shaft_hz > 0 and balls >= 1 and 0 < ball_to_pitch < 1):
        raise ValueError(
            f"shaft_hz={shaft_hz}, balls={balls}, ball_to_pitch={ball_to_pitch}; expected a turning shaft "
            "(above 0 Hz), at least one ball, and ball_to_pitch between 0 and 1"
        )
    return balls * shaft_hz / 2 * (1 - ball_to_pitch * float(np.cos(angle)))


def blows(
    samples: int, rate: float, frequency: float, resonance: float, rng: np.random.Generator, slip: float = 0.01
) -> np.ndarray:
    """Simulate the ringing, of amplitude 1, of a housing that is struck about `frequency` times a second.

    samples: how many, at `rate` a second. resonance: Hz at which the housing rings; it dies out within a few ms. slip:
    standard deviation of the gap between two blows, as a share of the mean gap: balls slide a little, so the gaps are
    not equal. Returns float (samples,). Raises ValueError for a resonance that is not between 0 and rate / 2.
    Source: Randall and Antoni 2011, on localised faults and slip.

    >>> blows(1000, 4000.0, 90.0, 1200.0, np.random.default_rng(0)).shape
    (1000,)
    """
    if not 0 < resonance < rate / 2:
        raise ValueError(f"resonance is {resonance} Hz; expected between 0 and half the rate, {rate / 2:g} Hz")
    gaps = rng.normal(1, slip, int(2 * frequency * samples / rate) + 8) / frequency
    times = np.cumsum(gaps) - rng.uniform(0, 2) / frequency
    places = np.rint(times * rate).astype(int)
    struck = np.bincount(places[(places >= 0) & (places < samples)], minlength=samples)
    t = np.arange(int(0.02 * rate)) / rate
    return np.convolve(struck, np.exp(-t / 0.002) * np.sin(2 * np.pi * resonance * t))[:samples]


class Life(NamedTuple):
    """The recordings of one machine until it fails.

    signal: float32 (days, samples), acceleration in g, one recording a day. remaining: int (days,), days until the
    failure; the last is 0. rate: samples a second.

    >>> Life(np.zeros((2, 8), np.float32), np.array([1, 0]), 4000.0).signal.shape
    (2, 8)
    """

    signal: np.ndarray
    remaining: np.ndarray
    rate: float


def machine(seed: int, samples: int = 1024, rate: float = 4096.0) -> Life:
    """Simulate one machine's life: a recording a day, from the first day to the failure of a bearing.

    seed: determines all that differs between machines: speed, load, noise, resonance, mounting of the sensor, length of
    the life, and how fast the fault grows. The amplitude of the blows is a_f exp(-remaining / growth): it grows by the
    same factor each day. The load drifts, and with it the harmonics of the shaft, which do not depend on the fault.
    Returns a Life of 50 to 130 days. Sources: Randall and Antoni 2011 (the signal); Gebraeel et al. 2005 (exponential
    growth with random parameters).

    >>> life = machine(0)
    >>> life.signal.dtype.name, life.signal.shape[1], int(life.remaining[-1])
    ('float32', 1024, 0)
    """
    rng = np.random.default_rng(seed)
    days, growth, worst = int(rng.integers(50, 131)), rng.uniform(3, 14), rng.lognormal(1.8, 0.3)
    shaft, resonance, mounting = rng.uniform(24, 30), rng.uniform(1000, 1600), rng.lognormal(0, 0.4)
    noise, amplitudes = rng.lognormal(-1.6, 0.2), rng.lognormal([0, -0.9, -1.5], 0.25)
    load = np.exp(0.3 * _drift(days, rng))
    remaining, t = np.arange(days)[::-1], np.arange(samples) / rate
    signal = np.empty((days, samples), np.float32)
    for day in range(days):
        speed = shaft * rng.normal(1, 0.005)
        angles = 2 * np.pi * np.outer([1, 2, 3], speed * t) + rng.uniform(0, 2 * np.pi, (3, 1))
        fault = worst * np.exp(-remaining[day] / growth) * rng.lognormal(0, 0.2)
        x = load[day] * (amplitudes @ np.sin(angles)) + rng.normal(0, noise, samples)
        x += fault * blows(samples, rate, defect_frequency(speed), resonance, rng)
        if rng.random() < 0.06:  # somebody works nearby: knocks unrelated to the fault
            x += rng.lognormal(1.2, 0.5) * blows(samples, rate, rng.uniform(10, 60), resonance, rng, slip=0.5)
        signal[day] = mounting * x
    return Life(signal, remaining, rate)


def _drift(steps: int, rng: np.random.Generator) -> np.ndarray:
    """Return a random series of variance 1 whose correlation falls by half in a week of steps."""
    keep = 0.5 ** (1 / 7)
    series = rng.normal(size=steps)
    for i in range(1, steps):
        series[i] = keep * series[i - 1] + np.sqrt(1 - keep**2) * series[i]
    return series


FEATURES = ("rms", "kurtosis", "crest", "band 1", "band 2", "band 3", "band 4")


def features(signal: np.ndarray, bands: int = 4) -> np.ndarray:
    """Reduce recordings to a few numbers each, as a device does before it stores or sends anything.

    signal: (…, samples), at least 16 samples. Returns float32 (…, 3 + bands): logarithm of the RMS; kurtosis, the
    fourth moment over the squared second, 3 for Gaussian noise and more with blows; crest factor, peak over RMS; and
    the logarithm of the mean power in equal bands from 0 to half the sampling rate. Raises ValueError for too few
    samples, or a recording that doesn't vary (a dead sensor) or holds NaN. Source: Randall and Antoni 2011.

    >>> [round(float(value), 1) for value in features(np.sin(np.arange(1024) / 3))[:3]]
    [-0.3, 1.5, 1.4]
    """
    signal = np.asarray(signal, float)
    if signal.ndim < 1 or signal.shape[-1] < max(16, 4 * bands):
        raise ValueError(
            f"signal has shape {signal.shape}; expected (…, samples), at least {max(16, 4 * bands)} samples"
        )
    centred = signal - signal.mean(axis=-1, keepdims=True)
    power = (centred**2).mean(axis=-1)
    if not (power > 0).all():
        raise ValueError("a recording doesn't vary or holds NaN (a dead sensor?). Leave it out, or mask its day")
    kurtosis = (centred**4).mean(axis=-1) / power**2
    crest = np.abs(centred).max(axis=-1) / np.sqrt(power)
    spectrum = np.abs(np.fft.rfft(centred * np.hanning(signal.shape[-1]))) ** 2 / signal.shape[-1]
    in_bands = [part.mean(axis=-1) + 1e-12 for part in np.array_split(spectrum, bands, axis=-1)]
    logs = [np.log(power) / 2, kurtosis, crest, *(np.log(part) for part in in_bands)]
    return np.stack(logs, axis=-1).astype(np.float32)
