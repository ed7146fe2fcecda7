"""From tissue to signal: relaxation, the spoiled gradient echo, noise."""

import numpy as np
from numpy.typing import ArrayLike, NDArray


def shortened_t1(
    t1_s: NDArray[np.float32], concentration_mm: NDArray[np.float32], r1_per_s_mm: float
) -> NDArray[np.float32]:
    """T1 with contrast agent, fast exchange: 1/T1 = 1/T10 + r1 C.

    Args:
        t1_s: T1 without agent, s.
        concentration_mm: agent in the tissue, mM.
        r1_per_s_mm: longitudinal relaxivity, per s per mM.

    Returns:
        T1 in s, of the same shape.
    """
    return t1_s / (1 + np.float32(r1_per_s_mm) * concentration_mm * t1_s)


def spoiled_gradient_echo(
    m0: ArrayLike,
    t1_s: NDArray[np.float32],
    t2_star_s: float,
    *,
    tr_s: float,
    te_s: float,
    flip_rad: NDArray[np.float32],
) -> NDArray[np.float32]:
    """Steady-state signal of a spoiled gradient echo (SPGR, FLASH).

    S = M0 sin(a) (1 - E1) / (1 - cos(a) E1) exp(-TE/T2*), E1 = exp(-TR/T1): the Ernst equation,
    e.g. Bernstein, King and Zhou, Handbook of MRI Pulse Sequences, section 14.1.

    Args:
        m0: equilibrium magnetisation, any unit.
        t1_s: longitudinal relaxation time, s.
        t2_star_s: effective transverse relaxation time, s.
        tr_s: repetition time, s.
        te_s: echo time, s.
        flip_rad: flip angle, rad; broadcast against `t1_s`.

    Returns:
        the signal in the unit of `m0`.
    """
    recovered = -np.expm1(-np.float32(tr_s) / t1_s)  # 1 - E1, exact for short TR
    cosine = np.cos(flip_rad)
    steady = np.sin(flip_rad) * recovered / (1 - cosine + cosine * recovered)
    decay = np.asarray(m0, dtype=np.float32) * np.float32(np.exp(-te_s / t2_star_s))
    return np.asarray(decay * steady, dtype=np.float32)


def add_rician_noise(
    signal: NDArray[np.float32], sigma: float, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Magnitude of the signal plus complex Gaussian noise: Rician (Gudbjartsson and Patz 1995).

    Args:
        signal: noise-free magnitude.
        sigma: standard deviation of the noise in each of the two channels, in the signal's unit.
        rng: where the noise comes from.

    Returns:
        the noisy magnitude; where there is no signal its mean is sigma sqrt(pi/2).
    """
    real = rng.standard_normal(signal.shape, dtype=np.float32)
    real *= np.float32(sigma)
    real += signal
    imaginary = rng.standard_normal(signal.shape, dtype=np.float32)
    imaginary *= np.float32(sigma)
    return np.hypot(real, imaginary, out=real)
