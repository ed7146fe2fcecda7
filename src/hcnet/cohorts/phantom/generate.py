"""One case from (seed, index): the same whatever else is made, before it or beside it."""

from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from hcnet.cohorts.phantom.acquisition import MAPS, Scanner, acquire
from hcnet.cohorts.phantom.anatomy import Anatomy, draw_anatomy, draw_build
from hcnet.cohorts.phantom.artefacts import displaced, k_space_window, seen_by_scanner
from hcnet.cohorts.phantom.facts import facts_of, hidden_of
from hcnet.cohorts.phantom.fields import Float
from hcnet.cohorts.phantom.layout import Layout, Side, Size, lay_out
from hcnet.cohorts.phantom.lesion import Kind, Mass, insert, place_mass
from hcnet.cohorts.phantom.parameters import Like, PhantomParameters, frozen_parameters
from hcnet.cohorts.phantom.physiology import Physiology, Texture, draw_physiology
from hcnet.cohorts.phantom.protocol import Protocol, draw_protocol
from hcnet.cohorts.phantom.reader import Bounds, box_around, outline
from hcnet.cohorts.phantom.tissue import TUMOUR, Fractions, Tissue, labels_of, total

REDRAWN = 3
"""Lesions drawn anew on the same anatomy, for cases of a null cohort."""

_CHEST_REACH_MM = 15.0  # over which the chest wall's motion fades


class PhantomSettings(BaseModel):
    """What a cohort is made with.

    Attributes:
        like: `ispy1` (sagittal, one breast, 1.5 T, 2-3 post-contrast phases) or `duke` (axial, both
            breasts, 1.5 or 3 T, 3-4 post-contrast phases).
        size: `full`, the collection's own grids, or `small`, about 3 mm voxels. The same index
            shows the same patient at either size.
        null: masses cannot be seen before contrast, by construction.
        scan: number of the scan: the same patients, exams and masses with new noise.
        parameters: what patients and protocols are drawn from.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    like: Like = "ispy1"
    size: Size = "small"
    null: bool = False
    scan: int = Field(0, ge=0)
    parameters: PhantomParameters = Field(default_factory=frozen_parameters)


@dataclass(frozen=True, eq=False)
class PhantomCase:
    """One exam with its truth; arrays are (X, Y, Z) along right, anterior, superior.

    Attributes:
        name: PHANTOM_ and the index.
        phases: (T, X, Y, Z) int16, pre-contrast first.
        affine: (4, 4), voxel index to mm in RAS+.
        times_s: (T,) seconds relative to the injection.
        tumour: bool, voxels of which at least half is malignant tissue.
        reader: bool, the tumour as a reader would outline it.
        box: a reader's box around the tumour: first and one past the last voxel along each axis;
            None in a case without one.
        breast: bool, the breasts with their skin, without the muscle.
        labels: uint8, `Tissue` that most of the voxel is.
        maps: float32 truth: ktrans_per_min, ve, vp, t1_ms.
        noise_free: (T, X, Y, Z) float32 in the phases' unit: with motion and blur, without noise.
        redrawn: bool, in a null cohort: masks of other lesions drawn on the same anatomy.
        facts: what a real exam's record would tell.
        hidden: what only the generator knows.
    """

    name: str
    phases: NDArray[np.int16]
    affine: NDArray[np.float64]
    times_s: tuple[float, ...]
    tumour: NDArray[np.bool_]
    reader: NDArray[np.bool_]
    box: Bounds | None
    breast: NDArray[np.bool_]
    labels: NDArray[np.uint8]
    maps: dict[str, Float]
    noise_free: Float
    redrawn: tuple[NDArray[np.bool_], ...]
    facts: dict[str, Any]
    hidden: dict[str, Any]


def case_name(index: int) -> str:
    """Name of the case with this index."""
    return f"PHANTOM_{index:04d}"


@dataclass(frozen=True, eq=False)
class _Breast:
    side: Side
    anatomy: Anatomy
    fractions: Fractions
    texture: Texture
    masses: list[Mass] = field(default_factory=list)


def generate_case(seed: int, index: int, settings: PhantomSettings | None = None) -> PhantomCase:
    """Make one case.

    Args:
        seed: of the cohort.
        index: of the case in it.
        settings: None for the defaults.

    Raises:
        ValueError: a negative seed or index.
    """
    settings = settings or PhantomSettings()
    parameters = settings.parameters
    # One stream a concern, so that a change in one leaves the others' draws alone.
    streams = np.random.default_rng([seed, index]).spawn(8)
    (
        build_rng,
        gland_rng,
        lesion_rng,
        patient_rng,
        protocol_rng,
        noise_rng,
        reader_rng,
        again_rng,
    ) = streams
    side: Literal[1, -1] = 1 if build_rng.random() < 0.5 else -1
    build = draw_build(build_rng, parameters.breast, parameters.gland)
    protocol = draw_protocol(protocol_rng, parameters.protocol[settings.like], parameters.faults)
    layout = lay_out(settings.like, settings.size, protocol, side)
    breasts = []
    for place, (rng, texture_rng) in zip(
        layout.sides, zip(gland_rng.spawn(2), patient_rng.spawn(2), strict=True), strict=False
    ):
        anatomy = draw_anatomy(
            rng, place.frame, build, parameters.breast, parameters.gland, parameters.tubes
        )
        fractions = {tissue: fraction.copy() for tissue, fraction in anatomy.fractions.items()}
        texture = Texture.draw(texture_rng, parameters.uptake)
        breasts.append(_Breast(place, anatomy, fractions, texture))
    pattern = _add_masses(lesion_rng, breasts, settings)
    patient = draw_physiology(
        patient_rng,
        parameters,
        premenopausal=build.premenopausal,
        field_strength=protocol.field_strength,
        last_s=protocol.times_s[-1],
        pattern=pattern,
        null=settings.null,
    )
    signal, maps = _signal(layout, breasts, patient, protocol, parameters)
    sigma = protocol.gland_units / protocol.snr_gland
    # The k-th scan has the k-th noise.
    phases, clean = _scan(layout, signal, sigma, protocol, noise_rng.spawn(settings.scan + 1)[-1])
    tumour, reader, box = _read(reader_rng, layout, breasts, parameters)
    malignant = [mass for breast in breasts for mass in breast.masses if mass.kind == "malignant"]
    redrawn = _redraw(again_rng, layout, breasts, settings) if settings.null and malignant else ()
    return PhantomCase(
        name=case_name(index),
        phases=phases,
        affine=layout.affine,
        times_s=protocol.times_s,
        tumour=tumour,
        reader=reader,
        box=box,
        breast=_assembled(layout, [b.anatomy.breast for b in breasts], np.bool_),
        labels=_assembled(layout, [labels_of(b.fractions) for b in breasts], np.uint8),
        maps=maps,
        noise_free=clean,
        redrawn=redrawn,
        facts=facts_of(
            settings.like, build, protocol, [b.side.side for b in breasts if _has_tumour(b)], side
        ),
        hidden=hidden_of(
            seed,
            index,
            build,
            patient,
            protocol,
            sigma,
            [(b.side, mass) for b in breasts for mass in b.masses],
        ),
    )


def _has_tumour(breast: _Breast) -> bool:
    return any(mass.kind == "malignant" for mass in breast.masses)


def _add_masses(rng: np.random.Generator, breasts: list[_Breast], settings: PhantomSettings) -> str:
    """Put a tumour, in most cases, and decoys into the breasts; returns the tumour's pattern."""
    lesion = settings.parameters.lesion
    tumour_rng, decoy_rng = rng.spawn(2)
    pattern = "mixed"
    if tumour_rng.random() >= lesion.lesion_free_probability:
        breast = breasts[int(tumour_rng.integers(len(breasts)))]
        mass = _tumour(tumour_rng, breast, settings)
        insert(tumour_rng, breast.side.frame, breast.fractions, mass, lesion, null=settings.null)
        breast.masses.append(mass)
        pattern = mass.pattern
    for decoy in decoy_rng.spawn(int(decoy_rng.poisson(lesion.decoys_mean))):
        breast = breasts[int(decoy.integers(len(breasts)))]
        kind: Kind = lesion.decoy_kind.draw(decoy)  # type: ignore[assignment]
        volume = min(lesion.decoy_ml.draw(decoy), 0.5 * _largest_ml(breast, settings))
        mass = place_mass(
            decoy, breast.side.frame, breast.anatomy, kind, volume, lesion, null=settings.null
        )
        insert(decoy, breast.side.frame, breast.fractions, mass, lesion, null=settings.null)
        breast.masses.append(mass)
    return pattern


def _tumour(rng: np.random.Generator, breast: _Breast, settings: PhantomSettings) -> Mass:
    lesion = settings.parameters.lesion
    sizes = lesion.ispy1_ml if settings.like == "ispy1" else lesion.duke_ml
    volume = min(sizes.draw(rng), _largest_ml(breast, settings))
    return place_mass(
        rng, breast.side.frame, breast.anatomy, "malignant", volume, lesion, null=settings.null
    )


def _largest_ml(breast: _Breast, settings: PhantomSettings) -> float:
    millilitres = float(np.count_nonzero(breast.anatomy.breast)) * breast.side.frame.voxel_ml
    return settings.parameters.lesion.largest_share_of_breast * millilitres


def _signal(
    layout: Layout,
    breasts: list[_Breast],
    patient: Physiology,
    protocol: Protocol,
    parameters: PhantomParameters,
) -> tuple[Float, dict[str, Float]]:
    """Signal of all phases in stored units, after motion, and the truth maps."""
    signal = np.zeros((len(protocol.times_s), *layout.shape), np.float32)
    maps = {name: np.zeros(layout.shape, np.float32) for name in MAPS}
    height = np.full(layout.shape, -1e3, np.float32)
    seen, gland = 0.0, 0.0
    for breast in breasts:
        anatomy, side = breast.anatomy, breast.side
        scanner = Scanner.at(side.image_frame, anatomy.to_nipple_mm, protocol, parameters.faults)
        part, truth = acquire(
            side.frame, breast.fractions, breast.texture, patient, protocol, scanner
        )
        side.place(signal, part)
        side.place(height, anatomy.height_mm)
        for name in MAPS:
            side.place(maps[name], truth[name])
        # The breast without masses sets the scale, so that a mass cannot show in it.
        weight = anatomy.fractions[Tissue.GLAND] * anatomy.breast
        seen += float((part[0] * weight).sum(dtype=np.float64))
        gland += float(weight.sum(dtype=np.float64))
    signal *= np.float32(protocol.gland_units * gland / seen)
    near_chest = np.exp(-np.maximum(height, 0) / np.float32(_CHEST_REACH_MM))
    near_chest *= np.float32(parameters.faults.motion_at_chest_mm)
    for phase, (motion, amplitude) in enumerate(
        zip(protocol.motion, protocol.motion_mm, strict=True), start=1
    ):
        by_mm = near_chest + np.float32(amplitude)
        signal[phase] = displaced(signal[phase], motion, by_mm, layout.frame)
    return signal, maps


def _scan(
    layout: Layout, signal: Float, sigma: float, protocol: Protocol, rng: np.random.Generator
) -> tuple[NDArray[np.int16], Float]:
    """Stored phases and the same without noise (in the memory of `signal`)."""
    first, second = (
        k_space_window(layout.shape[axis], share, protocol.window_share)
        for axis, share in zip(layout.in_plane, protocol.acquired_share, strict=True)
    )
    phases = np.empty(signal.shape, np.int16)
    for phase, sent in enumerate(signal):
        noisy, clean = seen_by_scanner(sent, sigma, (first, second), layout.in_plane, rng)
        phases[phase] = np.clip(np.rint(noisy), 0, np.iinfo(np.int16).max)
        signal[phase] = clean
    return phases, signal


def _read(
    rng: np.random.Generator, layout: Layout, breasts: list[_Breast], parameters: PhantomParameters
) -> tuple[NDArray[np.bool_], NDArray[np.bool_], Bounds | None]:
    """Exact mask, a reader's mask and box."""
    exact = [np.asarray(total(b.fractions, TUMOUR) >= 0.5) for b in breasts]
    # Each breast has its reader, so that one image can be read breast by breast.
    read = [
        outline(reader, b.side.frame, mask, parameters.reader) & b.anatomy.breast
        for reader, b, mask in zip(rng.spawn(2), breasts, exact, strict=False)
    ]
    tumour = _assembled(layout, exact, np.bool_)
    reader = _assembled(layout, read, np.bool_)
    return tumour, reader, box_around(rng, layout.frame, reader, parameters.reader)


def _redraw(
    rng: np.random.Generator, layout: Layout, breasts: list[_Breast], settings: PhantomSettings
) -> tuple[NDArray[np.bool_], ...]:
    """Masks of lesions that might as well have been there: same anatomy, same sampler."""
    masks = []
    for again in rng.spawn(REDRAWN):
        breast = breasts[int(again.integers(len(breasts)))]
        mass = _tumour(again, breast, settings)
        mask = np.zeros(breast.side.frame.shape, bool)
        gland = breast.anatomy.fractions[Tissue.GLAND][mass.slices]
        mask[mass.slices] = mass.inside(breast.side.frame) * gland >= 0.5
        image = np.zeros(layout.shape, bool)
        breast.side.place(image, mask)
        masks.append(image)
    return tuple(masks)


def _assembled(layout: Layout, parts: list[NDArray[Any]], kind: type[np.generic]) -> NDArray[Any]:
    image = np.zeros(layout.shape, kind)
    for side, part in zip(layout.sides, parts, strict=True):
        side.place(image, part)
    return image
