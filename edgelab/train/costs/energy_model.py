"""Energy of one inference, estimated from its multiply-accumulates and the bytes that it moves.

The figures are those of arithmetic units and memories on a 45 nm chip. Not included: fetching and decoding instructions
(with them, `edgelab.maths.offload` assumes 280 pJ per multiply-accumulate on a microcontroller), the regulator, sensors
and a radio. So the estimate compares networks; it doesn't predict how long a battery lasts.
"""

from __future__ import annotations

from typing import NamedTuple

from edgelab.maths.offload import check_positive

# Joules of a multiplication and an addition. 8-bit products are added in 32 bits.
PER_MAC = {
    "int8": 0.2e-12 + 0.1e-12,
    "int32": 3.1e-12 + 0.1e-12,
    "float16": 1.1e-12 + 0.4e-12,
    "float32": 3.7e-12 + 0.9e-12,
}
# Joules per byte: an eighth of a 64-bit access. DRAM takes 1.3 to 2.6 nJ per access; this is the lower end.
PER_BYTE = {"8 kB": 10e-12 / 8, "32 kB": 20e-12 / 8, "1 MB": 100e-12 / 8, "DRAM": 1.3e-9 / 8}


class Energy(NamedTuple):
    """Joules of one inference: for arithmetic, and for moving weights and activations (memory).

    >>> Energy(arithmetic=2e-7, memory=1e-7).total
    3e-07
    """

    arithmetic: float
    memory: float

    @property
    def total(self) -> float:
        """The sum of both, in joules."""
        return self.arithmetic + self.memory


def joules_per_mac(precision: str = "int8") -> float:
    """Return the joules of one multiply-accumulate in int8, int32, float16 or float32.

    Raises ValueError for another type. Source: Horowitz 2014, "Computing's energy problem", figure 1.1.9, 45 nm, 0.9 V.

    >>> round(joules_per_mac("float32") / joules_per_mac("int8"), 1)
    15.3
    """
    if precision not in PER_MAC:
        raise ValueError(f"unknown precision {precision!r}; expected one of: {', '.join(PER_MAC)}")
    return PER_MAC[precision]


def joules_per_byte(memory: str = "32 kB") -> float:
    """Return the joules of reading or writing one byte of a memory: "8 kB", "32 kB" or "1 MB" on the chip, or "DRAM".

    For DRAM this is the lower end; it may be twice as much. Raises ValueError for another memory.
    Source: Horowitz 2014, figure 1.1.9; there for accesses of 64 bits.

    >>> round(joules_per_byte("DRAM") / joules_per_byte("32 kB"))
    65
    """
    if memory not in PER_BYTE:
        raise ValueError(f"unknown memory {memory!r}; expected one of: {', '.join(PER_BYTE)}")
    return PER_BYTE[memory]


def energy(macs: float, bytes_moved: float, per_mac: float = 0.3e-12, per_byte: float = 2.5e-12) -> Energy:
    """Estimate the energy of one inference: E = MACs e_mac + bytes e_byte, in joules.

    macs, bytes_moved: of one inference, as in `Cost`. per_mac, per_byte: joules, by default for int8 and a 32 kB memory
    on the chip. If weights and activations are in two memories, add two estimates. Returns an Energy. Raises ValueError
    naming an argument that is not a finite number of at least 0. Source: Horowitz 2014, figure 1.1.9.

    >>> round(energy(1_000_000, 100_000).total * 1e6, 2)  # microjoules
    0.55
    """
    check_positive(or_zero=True, macs=macs, bytes_moved=bytes_moved, per_mac=per_mac, per_byte=per_byte)
    return Energy(macs * per_mac, bytes_moved * per_byte)
