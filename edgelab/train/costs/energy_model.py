"""Energy of one inference, estimated from its products and the bytes that it moves.

The figures are those of a 45 nm chip and of nothing but arithmetic and memory: fetching and decoding instructions costs
a processor far more (`edgelab.maths.offload` reckons with 280 pJ a multiply-accumulate on a plain one), and a board has
a regulator, sensors and a radio too. So it compares networks; it doesn't tell how long a battery lasts.
"""

from __future__ import annotations

from typing import NamedTuple

from edgelab.maths.offload import check_positive

# Joules of a product and the sum that it is added to. 8-bit products are summed in 32 bits.
PER_MAC = {
    "int8": 0.2e-12 + 0.1e-12,
    "int32": 3.1e-12 + 0.1e-12,
    "float16": 1.1e-12 + 0.4e-12,
    "float32": 3.7e-12 + 0.9e-12,
}
# Joules a byte, an eighth of those of a 64-bit access. Of DRAM's 1.3 to 2.6 nJ the lowest.
PER_BYTE = {"8 kB": 10e-12 / 8, "32 kB": 20e-12 / 8, "1 MB": 100e-12 / 8, "DRAM": 1.3e-9 / 8}


class Energy(NamedTuple):
    """Joules of one inference: of its arithmetic, and of moving weights and activations.

    >>> Energy(arithmetic=2e-7, memory=1e-7).total
    3e-07
    """

    arithmetic: float
    memory: float

    @property
    def total(self) -> float:
        """Joules of both, and of nothing else."""
        return self.arithmetic + self.memory


def joules_per_mac(precision: str = "int8") -> float:
    """Return the joules of one multiply-accumulate in a type: int8, int32, float16 or float32.

    Raises ValueError for another one. Source: Horowitz 2014, "Computing's energy problem", figure 1.1.9, 45 nm, 0.9 V.

    >>> round(joules_per_mac("float32") / joules_per_mac("int8"), 1)
    15.3
    """
    if precision not in PER_MAC:
        raise ValueError(f"no energy is known for {precision!r}; expected one of: {', '.join(PER_MAC)}")
    return PER_MAC[precision]


def joules_per_byte(memory: str = "32 kB") -> float:
    """Return the joules of reading or writing one byte of a memory: "8 kB", "32 kB" or "1 MB" on the chip, or "DRAM".

    The DRAM's are the least, they may be twice as many. Raises ValueError for another one.
    Source: Horowitz 2014, figure 1.1.9, of 64-bit accesses.

    >>> round(joules_per_byte("DRAM") / joules_per_byte("32 kB"))
    65
    """
    if memory not in PER_BYTE:
        raise ValueError(f"no energy is known for a memory {memory!r}; expected one of: {', '.join(PER_BYTE)}")
    return PER_BYTE[memory]


def energy(macs: float, bytes_moved: float, per_mac: float = 0.3e-12, per_byte: float = 2.5e-12) -> Energy:
    """Estimate the energy of one inference: E = MACs e_mac + bytes e_byte, in joules.

    macs, bytes_moved: as a `Cost` of edgelab.train.costs has them. per_mac, per_byte: joules, by default of int8 and a
    32 kB memory on the chip; `joules_per_mac` and `joules_per_byte` know others. Where weights and activations lie in
    two memories, add up two estimates. Raises ValueError naming an argument that is no finite number of at least 0.
    Source: Horowitz 2014, figure 1.1.9.

    >>> round(energy(1_000_000, 100_000).total * 1e6, 2)  # microjoules
    0.55
    """
    check_positive(or_zero=True, macs=macs, bytes_moved=bytes_moved, per_mac=per_mac, per_byte=per_byte)
    return Energy(macs * per_mac, bytes_moved * per_byte)
