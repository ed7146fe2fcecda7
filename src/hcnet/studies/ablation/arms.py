"""The arms of the ablation, as data; another arm is another entry of `ARMS`.

HIPM's map is a function of the pre-contrast image, so at test time it adds no information. What the
method can gain comes from denser training targets, from regularisation, or from contrast-enhanced
exams that have no mask. Each arm takes one of these away, or gives what no method can have.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from hcnet.studies.map_stages import Maps

Network = Literal["resunet", "kisnet", "cascade", "auxiliary"]
Image = Literal["pre", "breast", "dce"]
Guide = Literal["predicted", "shuffled", "permuted", "constant", "true", "tissue"]

BASELINE = "B0"
"""Every arm is compared with it, so it is always trained."""


MAPS: Mapping[str, Maps] = {
    "P": Maps(),
    "P+": Maps(extra=True),
    "B4k": Maps("kmeans", extra=True),
    "B4b": Maps("bins", extra=True),
}
"""By the arm that uses them as they are; stages 1 and 2 lie in that arm's folder."""


@dataclass(frozen=True)
class Arm:
    """One way to segment, trained with the same budget as all others.

    Attributes:
        name: short name, also of its folder.
        isolates: what its score tells, in a few words.
        network: `resunet` sees the image alone, `kisnet` the image and a guide, `cascade` is
            HIPM's network and KIS-Net in one, `auxiliary` has a second head for the map.
        image: `pre`-contrast, the `breast` mask, or the `dce` phases (pre and two differences).
        guide: what KIS-Net gets as the map: `predicted` as it is, `shuffled` across cases,
            `permuted` inside the breast, `constant`; the `true` map of the DCE phases; the true
            `tissue` of a phantom.
        maps: which of `MAPS` guide or second head come from.
        pseudo: also learns from the extra cases, with masks by functional tumour volume.
    """

    name: str
    isolates: str
    network: Network = "resunet"
    image: Image = "pre"
    guide: Guide | None = None
    maps: str | None = None
    pseudo: bool = False

    @property
    def needs_extra(self) -> bool:
        """Whether it learns from the extra cases."""
        return self.pseudo or (self.maps is not None and MAPS[self.maps].extra)

    @property
    def needs_hipm(self) -> bool:
        """Whether its maps are predicted, not only the labels of stage 1."""
        return self.guide in {"predicted", "shuffled", "permuted", "constant"}


ARMS: tuple[Arm, ...] = (
    Arm("L0", "shape and place alone: breast mask for image", image="breast"),
    Arm("B0", "baseline: ResUNet on pre"),
    Arm("B1", "capacity: cascade without map loss", "cascade"),
    Arm("B2", "cascade against second task", "auxiliary", maps="P"),
    Arm("P", "the method: maps from mask cases", "kisnet", guide="predicted", maps="P"),
    Arm("P+", "extra DCE cases in stages 1 and 2", "kisnet", guide="predicted", maps="P+"),
    Arm("B3", "extra DCE cases as FTV masks", pseudo=True),
    Arm("B4k", "P+ with k-means for VQ-VAE", "kisnet", guide="predicted", maps="B4k"),
    Arm("B4b", "P+ with PE/SER bins for VQ-VAE", "kisnet", guide="predicted", maps="B4b"),
    Arm("N1", "no information: maps of other cases", "kisnet", guide="shuffled", maps="P"),
    Arm("N2", "no place: voxels permuted", "kisnet", guide="permuted", maps="P"),
    Arm("N3", "no information: constant map", "kisnet", guide="constant", maps="P"),
    Arm("O1", "bound: true map", "kisnet", guide="true", maps="P"),
    Arm("O2", "bound: full DCE", image="dce"),
    Arm("O3", "bound: true tissue", "kisnet", guide="tissue"),
)

COMPARISONS: tuple[tuple[str, str], ...] = (
    *((arm.name, BASELINE) for arm in ARMS if arm.name != BASELINE),
    ("P", "B1"),
    ("P", "B2"),
    ("P", "N1"),
    ("P", "N2"),
    ("P", "N3"),
    ("P+", "P"),
    ("P+", "B3"),
    ("P+", "B4k"),
    ("P+", "B4b"),
)
"""All comparisons that are made, declared before any training; Holm's correction counts those
whose two arms were both trained."""
