"""Stage 1 of a cohort: from NIfTI files to a label map a case and all metrics, training included.

Three processes do the same work on the same files: hcnet's own stage 1, scikit-learn's
`MiniBatchKMeans` and faiss's k-means, both with nibabel and numpy as their users would write it.
All scale each curve by its own minimum and maximum, learn from at most 10^6 curves, give all 10^7 a
class, write the maps, and measure SSE, CPN, SPT and DBN.
"""

import importlib
import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from timing import Row, Run, clock, contender, processes, report

if TYPE_CHECKING:
    from run import Options

K = 10
CASES = 10
SHAPE = (192, 192, 64)
TIMES_S = (0.0, 80.0, 160.0, 240.0, 320.0, 400.0)
SAMPLE = 1_000_000
SEED = 0
SETTINGS: dict[str, dict[str, Any]] = {
    "paper": {"epochs": 300},
    "small": {"epochs": 60, "lr_halve_every": 10, "batch_size": 4096, "max_points": 500_000},
    "fast": {
        "epochs": 20,
        "lr_halve_every": 4,
        "batch_size": 4096,
        "max_points": 100_000,
        "hidden": 32,
    },
}
"""Settings of our stage 1: the paper's epochs, those of preset `small`, and a short schedule."""


def measure(options: "Options") -> list[Row]:
    """Each reference against ours; then the slow settings, once; then twice as many cases, once."""
    cohort = make_cohort(options.work / "cluster", CASES)
    double = make_cohort(options.work / "cluster-double", 2 * CASES, like=cohort)
    out = options.work / "cluster-out"
    runs = processes(
        {name: _command(name, cohort, out) for name in ("sklearn", "faiss", "hcnet")},
        options.rounds,
    )
    once = processes(
        {
            "double": _command("hcnet", double, out),
            "double sklearn": _command("sklearn", double, out),
            "small": _command("hcnet", cohort, out, "small"),
        },
        1,
    )
    ours, twice = runs["hcnet"], once["double"][0]
    growth = (
        f"with twice the cases {twice.seconds:.1f} s and {twice.peak_mb:.0f} MB "
        f"(scikit-learn {once['double sklearn'][0].peak_mb:.0f} MB)"
    )
    work = f"stage 1, {ours[0].answer['points'] / 1e6:.1f} million curves of {len(TIMES_S)} phases"
    rows = []
    for name, title in (("sklearn", "MiniBatchKMeans"), ("faiss", "faiss k-means")):
        for ending, kind in (("", "seconds"), (", imports and start of Python too", "life")):
            rows.append(
                Row(
                    work + ending,
                    title,
                    "VQ-VAE of width 32, 20 epochs of 100 000",
                    _as(runs[name], kind),
                    _as(ours, kind),
                    goal=1.0,
                    agreement=f"{_quality(ours[0])}; theirs {_quality(runs[name][0])}",
                    note=growth if not ending else "",
                    facts={"ours": ours[0].answer, "theirs": runs[name][0].answer},
                )
            )
    slow = once["small"]
    rows.append(
        Row(
            work,
            "MiniBatchKMeans",
            "VQ-VAE of width 64, 60 epochs of 500 000",
            runs["sklearn"][-1:],
            slow,
            goal=1.0,
            agreement=_quality(slow[0]),
        )
    )
    return rows


def make_cohort(folder: Path, cases: int, like: Path | None = None) -> Path:
    """Write exams of six phases as `DCE/<case>/phase_<n>.nii.gz`, `breast` and `tumour`, once.

    Contrast agent as the extended Tofts model gives it, in tissues that differ from place to
    place: fat, gland, vessels and a tumour with a rim. With `like` the cases are links to those of
    another cohort, over and over.
    """
    if (folder / "complete").exists():
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    names = sorted(path for path in like.iterdir() if path.is_dir()) if like else []
    for number in range(cases):
        case = folder / f"case_{number:03d}"
        if names:
            case.symlink_to(names[number % len(names)].resolve(), target_is_directory=True)
        else:
            _write_case(case, number)
    (folder / "complete").touch()
    return folder


def _write_case(folder: Path, number: int) -> None:
    import nibabel as nib
    from scipy.ndimage import zoom

    from hcnet.cohorts.phantom.kinetics import extended_tofts, weinmann_aif

    rng = np.random.default_rng([SEED, number])
    fine = np.arange(0.0, 401.0, 2.0)
    steps = np.searchsorted(fine, TIMES_S)

    def field(size: int) -> NDArray[np.float32]:
        small = rng.normal(size=[max(2, n // size) for n in SHAPE]).astype(np.float32)
        grown = zoom(small, np.divide(SHAPE, small.shape), order=1)
        return np.asarray((grown - grown.mean()) / grown.std(), dtype=np.float32)

    places = np.stack(np.meshgrid(*(np.linspace(-1, 1, n) for n in SHAPE), indexing="ij"))
    breast = (places[0] ** 2 / 0.9 + places[1] ** 2 / 0.9 + places[2] ** 2) < 0.95
    centre = rng.uniform(-0.4, 0.4, 3)
    radius = np.linalg.norm(places - centre[:, None, None, None], axis=0)
    tumour = (radius < 0.22) & breast
    gland, vessel, spread = field(12), field(5), field(8)
    # Classes of tissue as logarithms of Ktrans and kep, both per minute.
    ktrans = np.where(gland > 0.2, 0.03, 0.005) * np.exp(0.5 * spread)
    kep = np.where(gland > 0.2, 0.15, 0.05) * np.exp(0.4 * vessel)
    vp = np.where(vessel > 1.8, 0.15, 0.005)
    rim = np.clip(radius / 0.22, 0, 1)
    ktrans = np.where(tumour, (0.08 + 0.25 * rim) * np.exp(0.3 * spread), ktrans)
    kep = np.where(tumour, (0.3 + 1.2 * rim) * np.exp(0.3 * vessel), kep)
    s0 = np.where(gland > 0.2, 300, 650) * np.exp(0.15 * field(24))
    # A voxel takes the curve of the nearest node of a table: a model for each would take minutes.
    nodes = [np.geomspace(low, high, 48) for low, high in ((0.001, 1.0), (0.01, 5.0))]
    grid_k, grid_p = (axis.ravel() for axis in np.meshgrid(*nodes, indexing="ij"))
    table = [
        extended_tofts(fine, weinmann_aif(fine), grid_k, np.minimum(grid_k / grid_p, 1.0), v)
        for v in (0.005, 0.15)
    ]
    curves = np.concatenate(table)[:, steps].astype(np.float32)
    near = [
        np.searchsorted(axis[1:-1], values)
        for axis, values in zip(nodes, (ktrans, kep), strict=True)
    ]
    place = (near[0] * 48 + near[1] + (vp > 0.1) * 48 * 48).astype(np.int32)
    folder.mkdir()
    affine = np.diag([1.0, 1.0, 2.0, 1.0])
    for phase in range(len(TIMES_S)):
        signal = s0 * (1 + 2.5 * curves[place, phase]) + rng.normal(0, 6, SHAPE)
        image = np.clip(signal, 0, 4095).astype(np.int16)
        nib.save(nib.Nifti1Image(image, affine), folder / f"phase_{phase}.nii.gz")
    for name, mask in (("breast", breast), ("tumour", tumour)):
        nib.save(nib.Nifti1Image(mask.astype(np.uint8), affine), folder / f"{name}.nii.gz")


# ---------------------------------------------------------------- the references, as users write


def _reference(cohort: Path, out: Path, fit: Callable[[NDArray[Any]], Any]) -> dict[str, Any]:
    import nibabel as nib
    from sklearn.metrics import davies_bouldin_score

    cases = sorted(path for path in cohort.iterdir() if path.is_dir())
    parts, masks = [], []
    for case in cases:
        mask = np.asarray(nib.load(case / "breast.nii.gz").dataobj) > 0
        phases = [
            nib.load(case / f"phase_{n}.nii.gz").get_fdata(dtype=np.float32)[mask]
            for n in range(len(TIMES_S))
        ]
        curves = np.stack(phases, axis=1)
        low, high = curves.min(axis=1, keepdims=True), curves.max(axis=1, keepdims=True)
        parts.append((curves - low) / np.maximum(high - low, 1e-6))
        masks.append(mask)
    data = np.concatenate(parts)
    rng = np.random.default_rng(SEED)
    predict = fit(data[rng.choice(len(data), min(SAMPLE, len(data)), replace=False)])
    codes = predict(data)
    start = 0
    for case, mask in zip(cases, masks, strict=True):
        stop = start + int(mask.sum())
        labels = np.zeros(mask.shape, np.uint8)
        labels[mask] = codes[start:stop] + 1
        image = nib.Nifti1Image(labels, nib.load(case / "breast.nii.gz").affine)
        nib.save(image, out / f"{case.name}.nii.gz")
        start = stop
    means = np.stack([data[codes == k].mean(axis=0, dtype=np.float64) for k in range(K)])
    distances = np.linalg.norm(data - means[codes].astype(np.float32), axis=1)
    cpn = np.mean([distances[codes == k].mean() for k in range(K)])
    apart = np.linalg.norm(means[:, None] - means[None], axis=2)[np.triu_indices(K, 1)]
    return {
        "points": len(data),
        "sse": float(np.mean(distances.astype(np.float64) ** 2)),
        "cpn": float(cpn),
        "spt": float(apart.mean()),
        "dbn": float(davies_bouldin_score(data, codes)),
    }


def _sklearn(cohort: Path, out: Path) -> dict[str, Any]:
    from sklearn.cluster import MiniBatchKMeans

    def fit(sample: NDArray[Any]) -> Callable[[NDArray[Any]], NDArray[Any]]:
        return MiniBatchKMeans(K, random_state=SEED).fit(sample).predict

    return _reference(cohort, out, fit)


def _faiss(cohort: Path, out: Path) -> dict[str, Any]:
    import faiss

    def fit(sample: NDArray[Any]) -> Callable[[NDArray[Any]], NDArray[Any]]:
        # By default faiss would look at 256 points a class only.
        model = faiss.Kmeans(sample.shape[1], K, seed=SEED, max_points_per_centroid=SAMPLE // K)
        model.train(sample)
        return lambda data: model.index.search(data, 1)[1][:, 0]

    return _reference(cohort, out, fit)


# ---------------------------------------------------------------------------- ours


@dataclass(frozen=True)
class NiftiSource:
    """A case of the cohort as stage 1 asks for it: files are opened when looked at."""

    folder: Path

    @property
    def name(self) -> str:
        return self.folder.name

    @property
    def clock(self) -> NDArray[np.float64]:
        return np.array(TIMES_S)

    @property
    def phases(self) -> NDArray[Any]:
        from concurrent.futures import ThreadPoolExecutor

        with ThreadPoolExecutor(2) as pool:  # unpacking lets go of Python's lock
            names = map("phase_{}".format, range(len(TIMES_S)))
            return np.stack(list(pool.map(self._read, names)))

    @property
    def breast(self) -> NDArray[Any]:
        return self._read("breast")

    @property
    def tumour(self) -> NDArray[Any]:
        return self._read("tumour")

    def _read(self, name: str) -> NDArray[Any]:
        from hcnet.volumes.nifti import read_nifti

        # Rows of the last axis in one piece, as in the prepared cases of a training.
        return np.ascontiguousarray(read_nifti(self.folder / f"{name}.nii.gz").data)


def _hcnet(cohort: Path, out: Path, setting: str) -> dict[str, Any]:
    import tempfile

    from hcnet.kinetics.settings import KineticsConfig
    from hcnet.training.stage_kinetics import cluster_cohort
    from hcnet.volumes.nifti import read_nifti, write_nifti

    def write(source: Any, labels: NDArray[np.uint8]) -> None:
        breast = read_nifti(source.folder / "breast.nii.gz")
        write_nifti(breast.with_data(labels), out / f"{source.name}.nii.gz")

    sources: list[Any] = [NiftiSource(f) for f in sorted(cohort.iterdir()) if f.is_dir()]
    config = KineticsConfig(k=K, **SETTINGS[setting])
    with tempfile.TemporaryDirectory(dir=out) as folder:
        _, quality = cluster_cohort(sources, config, SEED, Path(folder), write)
    return {name: getattr(quality.tic, name) for name in ("points", "sse", "cpn", "spt", "dbn")}


# ---------------------------------------------------------------------------- what ties them


CONTENDERS = {"sklearn": _sklearn, "faiss": _faiss}
IMPORTS = {
    "sklearn": ("nibabel", "sklearn.cluster", "sklearn.metrics"),
    "faiss": ("nibabel", "faiss", "sklearn.metrics"),
    "hcnet": ("hcnet.training.stage_kinetics",),
}


def _command(name: str, cohort: Path, out: Path, setting: str = "fast") -> Sequence[str]:
    return contender(__file__, name, str(cohort), str(out), setting)


def _as(runs: Sequence[Run], kind: str) -> list[Run]:
    """The same runs by their work alone (`seconds`) or by the life of the process (`life`)."""
    return [Run(run.answer[kind], run.peak_mb, run.answer) for run in runs]


def _quality(run: Run) -> str:
    names = ("sse", "cpn", "dbn")
    return ", ".join(f"{name.upper()} {run.answer[name]:.4f}" for name in names)


def _since_start() -> float:
    """Seconds since this process began, as Linux counts them."""
    began = int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19])
    return time.clock_gettime(time.CLOCK_BOOTTIME) - began / os.sysconf("SC_CLK_TCK")


def main(name: str, cohort: Path, out: Path, setting: str) -> None:
    for module in IMPORTS[name]:
        importlib.import_module(module)
    out.mkdir(parents=True, exist_ok=True)
    started, computed = clock(), time.process_time()
    answer = _hcnet(cohort, out, setting) if name == "hcnet" else CONTENDERS[name](cohort, out)
    spent = clock() - started
    report(spent, life=_since_start(), cpu=time.process_time() - computed, **answer)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), sys.argv[4])
