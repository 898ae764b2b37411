"""Further answers to the exercises of notebook 10."""

import json
import math

import numpy as np


def soft(logits):
    powers = [math.exp(z - max(logits)) for z in logits.tolist()]
    return [power / sum(powers) for power in powers]


def ranked(times, share):
    return float(np.sort(times)[math.ceil(share * len(times)) - 1])


RIGHT = {
    "as_int8": [
        lambda x, scale, z: np.clip(np.round(x / scale + z), -128, 127).astype("int8"),
        lambda x, scale, z: np.floor(np.clip(x / scale + z, -128, 127) + 0.5).astype(np.int8),
        lambda x, scale, z: np.array(
            [max(-128, min(127, round(v / scale) + z)) for v in x.ravel().tolist()], np.int8
        ).reshape(x.shape),
    ],
    "unfit": [
        lambda x: bool(np.any(~np.isfinite(x)) or x.min() < 0 or x.max() > 1),
        lambda x: not all(0 <= value <= 1 for value in x.flat),
        lambda x: np.logical_not(np.clip(x, 0, 1) == x).any(),
    ],
    "reply": [
        lambda z: json.dumps({"probability": max(soft(z)), "digit": soft(z).index(max(soft(z)))}),
        lambda z: f'{{"digit":{np.argmax(z)},"probability":{max(soft(z)):.4f}}}',
        lambda z: json.dumps({"digit": np.argmax(z).item(), "probability": max(soft(z))}, indent=2),
    ],
    "steady_rate": [
        lambda times: 1000 / ranked(times, 0.99),
        lambda times: np.percentile(1000 / times, 1),
        lambda times: 1e3 / np.quantile(times, 0.99, method="higher"),
    ],
}
WRONG = {
    "as_int8": [
        (lambda x, scale, z: (np.rint(x / scale) + z).astype(np.int64).astype(np.int8), True),
        (lambda x, scale, z: np.clip(np.rint(x / scale).astype(np.int16) + z, -128, 127).astype(np.int8), True),
        (lambda x, scale, z: np.clip(np.rint(x / scale).astype(np.int32) + z, -128, 127).astype(np.int8), True),
        (lambda x, scale, z: np.clip(np.rint(x / scale).astype(np.int64) + z, -128, 127).astype(np.int8), True),
        (lambda x, scale, z: np.clip(x / scale + z, -128, 127).astype(np.int8), True),
        (lambda x, scale, z: np.clip(np.rint(x / scale + z), -128, 127), True),
        (lambda x, scale, z: np.clip(np.rint(x / scale + z), -127, 127).astype(np.int8), True),
        (lambda x, scale, z: np.clip(np.rint(x / scale) - z, -128, 127).astype(np.int8), True),
    ],
    "unfit": [
        (lambda x: bool(np.any(x < 0) or np.any(x > 1)), True),
        (lambda x: bool(x.min() < 0 or x.max() > 1 or np.isnan(x).all()), True),
        (lambda x: bool(((x >= 0) & (x <= 1)).all()), True),
        (lambda x: bool(np.isnan(x).any() or np.isinf(x).any()), True),
        (lambda x: not ((x > 0) & (x < 1)).all(), True),
        (lambda x: ~((x >= 0) & (x <= 1)), True),
        (lambda x: int(not ((x >= 0) & (x <= 1)).all()), True),
    ],
    "reply": [
        (lambda z: json.dumps({"digit": str(np.argmax(z)), "probability": max(soft(z))}), True),
        (lambda z: str({"digit": int(np.argmax(z)), "probability": max(soft(z))}), True),
        (lambda z: {"digit": int(np.argmax(z)), "probability": max(soft(z))}, True),
        (lambda z: json.dumps({"digit": int(np.argmax(z)), "probability": float(z.max())}), True),
        (lambda z: json.dumps({"digit": int(np.argmax(z)), "probability": f"{max(soft(z)):.3f}"}), True),
        (lambda z: json.dumps({"class": int(np.argmax(z)), "probability": max(soft(z))}), False),
        (lambda z: json.dumps([int(np.argmax(z)), max(soft(z))]), False),
    ],
    "steady_rate": [
        (lambda times: 1000 / times.mean(), True),
        (lambda times: 1000 / times.max(), True),
        (lambda times: 1000 / ranked(times, 0.5), True),
        (lambda times: 1 / ranked(times, 0.99), True),
        (lambda times: ranked(times, 0.99), True),
        (lambda times: 1000 / ranked(times, 0.95), False),
        (lambda times: 1000 / np.percentile(times, 0.99), True),
        (lambda times: int(1000 / ranked(times, 0.99)), True),
    ],
}
