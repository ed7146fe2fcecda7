"""Our networks as a user would build them from torch and MONAI: the same weights, nothing tuned."""

import torch
from torch import nn

from hcnet.nets.depthwise import DepthwiseConv3d
from hcnet.nets.instance_norm import InstanceNorm
from hcnet.nets.pointwise import PointwiseConv3d


def plain(network: nn.Module) -> nn.Module:
    """Put torch's own layers in the place of ours and lay the weights out as torch does."""
    for parent in list(network.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, DepthwiseConv3d):
                setattr(parent, name, _depthwise(child))
            elif isinstance(child, PointwiseConv3d):
                setattr(parent, name, _pointwise(child))
            elif isinstance(child, InstanceNorm):
                setattr(parent, name, nn.InstanceNorm3d(child.num_features, child.eps))
    return network.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]


def _depthwise(ours: DepthwiseConv3d) -> nn.Conv3d:
    channels, (edge, _, _) = ours.in_channels, ours.kernel_size
    theirs = nn.Conv3d(channels, channels, edge, padding=edge // 2, groups=channels)
    theirs.load_state_dict(ours.state_dict())
    return theirs


def _pointwise(ours: PointwiseConv3d) -> nn.Conv3d:
    bias = ours.bias is not None
    theirs = nn.Conv3d(ours.in_channels, ours.out_channels, 1, groups=ours.groups, bias=bias)
    theirs.load_state_dict(ours.state_dict())
    return theirs
