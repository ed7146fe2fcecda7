"""An ensemble without training more: the members are one network, changed a little more each."""

from pathlib import Path
from typing import Any

import torch

from hcnet.inference.bundle import Bundle, Member, open_bundle, write_bundle


def ensemble(
    bundle: Path, path: Path, members: int, *, one_hipm: bool = False, **changes: Any
) -> tuple[Bundle, list[Member]]:
    """Write a bundle to `path` whose member 0 is that of `bundle`; also returns the networks.

    With `one_hipm` that of member 0 serves all.
    """
    opened = open_bundle(bundle)
    networks = []
    for number in range(members):
        member = opened.member(0)
        with torch.no_grad():
            for network in member:
                next(network.parameters()).add_(number / 3)
        networks.append(member)
    info = opened.info.model_dump(exclude={"schema_version", "weights", "clustering"})
    about = [{k: v for k, v in info.pop(key).items() if k != "files"} for key in ("hipm", "kis")]
    written = write_bundle(
        path,
        hipm=[hipm for hipm, _ in networks][: 1 if one_hipm else members],
        kis=[kis for _, kis in networks],
        hipm_network=about[0],
        kis_network=about[1],
        clustering=opened.clustering,
        **(info | changes),
    )
    return written, networks
