"""What happens to an image on its way: motion between phases, the point spread, noise."""

import numpy as np
from scipy import fft, ndimage

from hcnet.cohorts.phantom.fields import Field, Float, Frame


def displaced(
    image: Float, motion: tuple[Field, Field, Field], amplitude_mm: Float, frame: Frame
) -> Float:
    """The image with the tissue at each voxel replaced by that a little away, by cubic splines.

    Args:
        image: (X, Y, Z) signal.
        motion: displacement along x, y and z, in units of the amplitude.
        amplitude_mm: (X, Y, Z) how far tissue moves.
        frame: where the image's voxels lie.

    Returns:
        (X, Y, Z) signal, not negative.
    """
    # Only where there is signal: most of an image is air.
    x, y, z = ndimage.find_objects((image > 0).astype(np.uint8))[0]
    box = (x, y, z)
    here = frame.crop(box)
    part = np.pad(image[box], 3)
    places = np.empty((3, *here.shape), np.float32)
    for axis, (field, step, n) in enumerate(zip(motion, here.spacing, here.shape, strict=True)):
        shape = [1, 1, 1]
        shape[axis] = n
        places[axis] = amplitude_mm[box] * field.on(here) / np.float32(step)
        places[axis] += np.arange(3, n + 3, dtype=np.float32).reshape(shape)
    moved = np.zeros_like(image)
    moved[box] = ndimage.map_coordinates(part, places, np.float32, order=3, mode="nearest")
    return np.maximum(moved, 0, out=moved)


def k_space_window(n: int, acquired: float, flank: float) -> Float:
    """(n,) weights of k-space along one axis, in FFT order.

    Args:
        n: samples of the image.
        acquired: share of k-space, about its centre, that was sampled; the rest is zeros.
        flank: share of the sampled half-axis over which a Hann flank falls to zero; 0 cuts hard.
    """
    position = np.abs(fft.fftfreq(n)) * 2 / acquired  # 1 at the edge of what was sampled
    inside = np.clip((1 - position) / max(flank, 1e-6), 0, 1)
    return np.asarray(0.5 - 0.5 * np.cos(np.pi * inside), np.float32) * (position <= 1)


def seen_by_scanner(
    signal: Float,
    sigma: float,
    windows: tuple[Float, Float],
    in_plane: tuple[int, int],
    rng: np.random.Generator,
) -> tuple[Float, Float]:
    """Magnitude images of a signal, slice by slice: sampled in k-space, windowed, transformed back.

    Noise is complex Gaussian in k-space, so it is Rician in the magnitude (Gudbjartsson and Patz
    1995) and correlated where zeros were filled in.

    Args:
        signal: (X, Y, Z) noise-free signal on the image's grid.
        sigma: standard deviation of the noise of one channel in the final image, in the signal's
            unit.
        windows: weights of k-space along the two axes of a slice, see `k_space_window`.
        in_plane: these axes, rising.
        rng: where the noise comes from.

    Returns:
        the image with noise and the one without, (X, Y, Z) each.
    """
    across = 3 - sum(in_plane)
    weight = windows[0][:, None] * windows[1]
    half = weight[:, : weight.shape[1] // 2 + 1]
    # The window averages noise; what it leaves shall have the standard deviation asked for.
    scale = np.float32(sigma / np.sqrt(np.mean(weight.astype(np.float64) ** 2)))
    noisy, clean = np.empty_like(signal), np.empty_like(signal)
    for source, with_noise, without in zip(
        *(np.moveaxis(array, across, 0) for array in (signal, noisy, clean)), strict=True
    ):
        noise = np.empty(weight.shape, np.complex64)
        noise.real = scale * rng.standard_normal(weight.shape, dtype=np.float32)
        noise.imag = scale * rng.standard_normal(weight.shape, dtype=np.float32)
        noise = fft.ifft2(fft.fft2(noise, overwrite_x=True) * weight, overwrite_x=True)
        image = fft.irfft2(fft.rfft2(source) * half, weight.shape, overwrite_x=True)
        with_noise[...] = np.abs(image + noise)
        without[...] = np.abs(image)
    return noisy, clean
