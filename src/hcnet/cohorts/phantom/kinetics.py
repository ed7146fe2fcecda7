"""Contrast agent in blood and tissue: arterial input functions and the extended Tofts model.

Concentrations are in mM, times in seconds since the injection, Ktrans and kep per minute, volume
fractions without unit. Arterial input functions (AIF) come as whole blood (Parker) or as plasma
(Weinmann); plasma = blood / (1 - haematocrit).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

_SECONDS_PER_MINUTE = 60.0
_TABLE_NODES = 1024
_TABLE_KEP_SCALE = 0.02  # per minute; below it the nodes are spaced evenly, above it as a logarithm
_TABLE_KEP_MAX = 60.0  # per minute


def parker_aif(times_s: ArrayLike, arrival_s: float = 0.0) -> NDArray[np.float64]:
    """Population AIF in whole blood, for 0.1 mmol/kg of a gadolinium agent.

    Two Gaussians (first pass, recirculation) and an exponential that a sigmoid switches on:
    Parker et al., Magn Reson Med 2006; 56:993, table 1 and equation 1.

    Args:
        times_s: (T,) times.
        arrival_s: when the bolus reaches the artery; the curve is zero before it.

    Returns:
        (T,) concentration in whole blood, mM.
    """
    t = (np.asarray(times_s, dtype=np.float64) - arrival_s) / _SECONDS_PER_MINUTE
    after = np.maximum(t, 0.0)
    blood = np.zeros_like(after)
    for area, centre, width in ((0.809, 0.17046, 0.0563), (0.330, 0.365, 0.132)):
        height = area / (width * np.sqrt(2 * np.pi))
        blood += height * np.exp(-((after - centre) ** 2) / (2 * width**2))
    blood += 1.050 * np.exp(-0.1685 * after) / (1 + np.exp(-38.078 * (after - 0.483)))
    return np.where(t < 0, 0.0, blood)


def weinmann_aif(times_s: ArrayLike, arrival_s: float = 0.0) -> NDArray[np.float64]:
    """Population AIF in plasma without a first pass, for 0.1 mmol/kg.

    A bi-exponential with Weinmann's constants as Tofts and Kermode use them (Magn Reson Med 1991;
    17:357): amplitudes 3.99 and 4.78 kg/l, rates 0.144 and 0.0111 per minute.

    Args:
        times_s: (T,) times.
        arrival_s: when the agent arrives; the curve is zero before it.

    Returns:
        (T,) concentration in plasma, mM.
    """
    t = (np.asarray(times_s, dtype=np.float64) - arrival_s) / _SECONDS_PER_MINUTE
    after = np.maximum(t, 0.0)
    plasma = 0.1 * (3.99 * np.exp(-0.144 * after) + 4.78 * np.exp(-0.0111 * after))
    return np.where(t < 0, 0.0, plasma)


def convolve_exponential(
    times_s: NDArray[np.float64], plasma: NDArray[np.float64], kep_per_min: ArrayLike
) -> NDArray[np.float64]:
    """Integrate plasma(u) exp(-kep (t - u)) over u from the first time to t, for every time.

    Exact for a curve that is linear between its samples, which need not be evenly spaced.

    Args:
        times_s: (T,) rising times.
        plasma: (T,) plasma concentration, mM.
        kep_per_min: (N,) rate constants.

    Returns:
        (N, T) integrals, mM s.
    """
    kep = np.atleast_1d(np.asarray(kep_per_min, dtype=np.float64)) / _SECONDS_PER_MINUTE
    result = np.zeros((kep.size, times_s.size))
    for i, step in enumerate(np.diff(times_s), start=1):
        x = kep * step
        decay = np.exp(-x)
        small = np.where(x > 1e-2, x, 1.0)
        # Weights of the two end points; their closed forms cancel badly near kep = 0.
        late = np.where(
            x > 1e-2,
            (small - 1 + np.exp(-small)) / small**2,
            0.5 - x / 6 + x**2 / 24 - x**3 / 120,
        )
        whole = np.where(x > 1e-2, -np.expm1(-small) / small, 1 - x / 2 + x**2 / 6 - x**3 / 24)
        gained = step * ((whole - late) * plasma[i - 1] + late * plasma[i])
        result[:, i] = decay * result[:, i - 1] + gained
    return result


def extended_tofts(
    times_s: NDArray[np.float64],
    plasma: NDArray[np.float64],
    ktrans_per_min: ArrayLike,
    ve: ArrayLike,
    vp: ArrayLike,
) -> NDArray[np.float64]:
    """Tissue concentration by the extended Tofts model.

    C(t) = vp Cp(t) + Ktrans integral of Cp(u) exp(-Ktrans/ve (t - u)) du: Tofts, J Magn Reson
    Imaging 1997; 7:91.

    Args:
        times_s: (T,) rising times.
        plasma: (T,) plasma concentration Cp, mM.
        ktrans_per_min: (N,) transfer constants.
        ve: (N,) extravascular extracellular volume fractions, above 0.
        vp: (N,) plasma volume fractions.

    Returns:
        (N, T) tissue concentration, mM.
    """
    ktrans = np.atleast_1d(np.asarray(ktrans_per_min, dtype=np.float64))
    integral = convolve_exponential(times_s, plasma, ktrans / np.asarray(ve, dtype=np.float64))
    vascular = np.atleast_1d(np.asarray(vp, dtype=np.float64))[:, None] * plasma
    return vascular + ktrans[:, None] / _SECONDS_PER_MINUTE * integral


@dataclass(frozen=True, eq=False)
class UptakeTable:
    """The extended Tofts model for one AIF, tabulated over kep: for millions of voxels.

    Attributes:
        times_s: (T,) fine, evenly rising times.
        plasma: (T,) plasma concentration, mM.
        integral: (K, T) convolution with exp(-kep t) at each node of kep, mM s.
    """

    times_s: NDArray[np.float64]
    plasma: NDArray[np.float64]
    integral: NDArray[np.float64]

    @classmethod
    def build(cls, times_s: NDArray[np.float64], plasma: NDArray[np.float64]) -> "UptakeTable":
        """Tabulate; (T,) times in seconds and (T,) plasma concentration in mM."""
        nodes = np.linspace(0, np.log1p(_TABLE_KEP_MAX / _TABLE_KEP_SCALE), _TABLE_NODES)
        kep = _TABLE_KEP_SCALE * np.expm1(nodes)
        return cls(times_s, plasma, convolve_exponential(times_s, plasma, kep))

    def concentration(
        self,
        time_s: float,
        ktrans_per_min: NDArray[np.float32],
        ve: NDArray[np.float32],
        vp: NDArray[np.float32],
    ) -> NDArray[np.float32]:
        """Tissue concentration of N voxels at one time.

        Args:
            time_s: within the tabulated times, or before them where nothing has arrived.
            ktrans_per_min: (N,) transfer constants.
            ve: (N,) extravascular extracellular volume fractions.
            vp: (N,) plasma volume fractions.

        Returns:
            (N,) mM.

        Raises:
            ValueError: the time lies beyond the table, or a kep above 60 per minute.
        """
        if time_s > self.times_s[-1]:
            raise ValueError(f"{time_s} s lies beyond the table's {self.times_s[-1]} s")
        if time_s <= self.times_s[0]:
            return np.zeros_like(ktrans_per_min)
        right = int(np.searchsorted(self.times_s, time_s))
        left = right - 1
        w = (time_s - self.times_s[left]) / (self.times_s[right] - self.times_s[left])
        column = ((1 - w) * self.integral[:, left] + w * self.integral[:, right]).astype(np.float32)
        plasma = np.float32(np.interp(time_s, self.times_s, self.plasma))
        step = np.float32(np.log1p(_TABLE_KEP_MAX / _TABLE_KEP_SCALE) / (_TABLE_NODES - 1))
        position = np.log1p(ktrans_per_min / ve / np.float32(_TABLE_KEP_SCALE)) / step
        if position.size and position.max() > _TABLE_NODES - 1:
            raise ValueError(f"kep above {_TABLE_KEP_MAX} per minute is not tabulated")
        low = np.minimum(position.astype(np.int32), _TABLE_NODES - 2)
        part = position - low
        integral = column[low] * (1 - part) + column[low + 1] * part
        return vp * plasma + ktrans_per_min / np.float32(_SECONDS_PER_MINUTE) * integral
