"""The synthetic machine: its blows come at the defect frequency, its fault grows, and its features are SciPy's."""

import numpy as np
import pytest
from scipy import signal as scipy_signal
from scipy import stats

from edgelab.train.sequences.vibration import FEATURES, Life, blows, defect_frequency, features, machine


def test_defect_frequency_is_that_of_a_published_bearing():
    """SKF 6205-2RS, of the Case Western data: 9 balls, 7.94 mm on 39.04 mm, outer ring 3.5848 times the shaft."""
    assert defect_frequency(1.0, 9, 7.94 / 39.04) == pytest.approx(3.5848, abs=2e-4)


@pytest.mark.parametrize("arguments", [(0.0,), (25.0, 0), (25.0, 9, 1.0), (25.0, 9, 0.0)])
def test_impossible_bearings_are_refused(arguments):
    with pytest.raises(ValueError, match="expected a turning shaft"):
        defect_frequency(*arguments)


@pytest.mark.parametrize("frequency", [60.0, 90.0, 130.0])
def test_the_envelope_beats_at_the_defect_frequency(frequency):
    """Envelope analysis, as Randall and Antoni describe it, by SciPy: the spectrum of the envelope peaks there.

    Within 2 %: four seconds resolve 0.25 Hz, and a slip of 1 % shifts the mean of 240 gaps by 0.1 %.
    """
    rate = 4096.0
    x = blows(4 * 4096, rate, frequency, 1200.0, np.random.default_rng(1))
    envelope = np.abs(scipy_signal.hilbert(x))
    spectrum = np.abs(np.fft.rfft(envelope - envelope.mean()))
    found = np.fft.rfftfreq(len(x), 1 / rate)[spectrum.argmax()]
    assert found == pytest.approx(frequency, rel=0.02)
    carrier = np.fft.rfftfreq(len(x), 1 / rate)[np.abs(np.fft.rfft(x)).argmax()]
    assert carrier == pytest.approx(1200, rel=0.1)  # ringing that dies within 2 ms is 1 / (2 π 2 ms) = 80 Hz wide


def test_blows_are_never_silent_at_the_start_or_the_end():
    """A first blow late, or gaps that run out before the end, would make every recording fade."""
    for seed in range(50):
        x = blows(1024, 4096.0, 90.0, 1200.0, np.random.default_rng(seed))
        assert np.abs(x[:100]).max() > 0.1
        assert np.abs(x[-100:]).max() > 0.1
    with pytest.raises(ValueError, match="between 0 and half the rate, 2048 Hz"):
        blows(1024, 4096.0, 90.0, 3000.0, np.random.default_rng(0))


def test_a_seed_is_a_machine_and_another_seed_another():
    first, again, other = machine(3), machine(3), machine(4)
    assert isinstance(first, Life)
    np.testing.assert_array_equal(first.signal, again.signal)
    assert first.signal.shape != other.signal.shape or np.abs(first.signal - other.signal).max() > 0


def test_lives_differ_and_end_at_the_failure():
    lives = [machine(seed, samples=64) for seed in range(60)]
    days = np.array([len(life.remaining) for life in lives])
    assert days.min() >= 50
    assert days.max() <= 130
    assert np.unique(days).size > 20
    for life in lives:
        np.testing.assert_array_equal(life.remaining, np.arange(len(life.signal))[::-1])
        assert np.isfinite(life.signal).all()


def test_the_fault_grows_where_the_housing_rings():
    """Power in the band of the resonance rises over the last twenty days of every machine: else nothing is to learn."""
    for seed in range(20):
        power = features(machine(seed).signal)[:, FEATURES.index("band 3")]
        assert np.median(power[-3:]) > np.median(power[:30]) + 1


def test_features_equal_scipys():
    """Relative 1e-5: they are returned in float32."""
    x = np.random.default_rng(0).laplace(size=(5, 1000)) + 3
    found = features(x)
    assert found.dtype == np.float32
    assert found.shape == (5, len(FEATURES))
    np.testing.assert_allclose(found[:, 0], np.log(x.std(axis=1)), rtol=1e-5)
    np.testing.assert_allclose(found[:, 1], stats.kurtosis(x, axis=1, fisher=False), rtol=1e-5)
    np.testing.assert_allclose(found[:, 2], np.abs(x - x.mean(1, keepdims=True)).max(1) / x.std(1), rtol=1e-5)


def test_bands_hold_the_tone_that_lies_in_them():
    t = np.arange(1024) / 4096
    for band, hertz in enumerate((200, 700, 1300, 1800)):
        assert features(np.sin(2 * np.pi * hertz * t))[3:].argmax() == band


def test_scale_moves_the_logarithms_and_leaves_the_shapes():
    """Volts or g: kurtosis and crest must not change, RMS by log k, bands by 2 log k."""
    x = np.random.default_rng(1).normal(size=512)
    change = features(10 * x) - features(x)
    np.testing.assert_allclose(change / np.log(10), [1, 0, 0, 2, 2, 2, 2], atol=1e-4)


def test_integer_samples_are_computed_in_float():
    """int16 as a converter delivers them: their fourth power overflows."""
    x = (np.random.default_rng(2).normal(size=512) * 8000).astype(np.int16)
    np.testing.assert_array_equal(features(x), features(x.astype(float)))


@pytest.mark.parametrize(
    "signal, words", [(np.ones(10), "at least 16"), (np.zeros((2, 64)), "doesn't vary"), (1.0, "shape")]
)
def test_unfit_recordings_are_named(signal, words):
    with pytest.raises(ValueError, match=words):
        features(signal)
    with pytest.raises(ValueError, match="holds NaN"):
        features(np.full(64, np.nan))
