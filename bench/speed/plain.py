"""Our networks as a user would build them from torch and MONAI: the same weights, nothing tuned."""

import torch
from monai.networks.blocks.unetr_block import UnetrBasicBlock, UnetrUpBlock
from torch import Tensor, nn

from hcnet.nets.blocks import crop_like, pad_for_encoder
from hcnet.nets.conv3x3x3 import Conv3x3x3
from hcnet.nets.depthwise import DepthwiseConv3d
from hcnet.nets.instance_norm import InstanceNorm
from hcnet.nets.pointwise import PointwiseConv3d
from hcnet.nets.residual import UnetrBlock, UnetrUp
from hcnet.nets.uxnet import UXNet


def plain(network: nn.Module) -> nn.Module:
    """Put torch's own layers in the place of ours and lay the weights out as torch does."""
    if isinstance(network, UXNet):
        network = _PlainUXNet(network)
    for parent in list(network.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, DepthwiseConv3d | PointwiseConv3d | Conv3x3x3):
                setattr(parent, name, _torchs(child))
            elif isinstance(child, InstanceNorm):
                setattr(parent, name, nn.InstanceNorm3d(child.num_features, child.eps))
    return network.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]


class _PlainUXNet(nn.Module):
    """3D UX-Net as its authors put it together: the decoder is of MONAI's blocks."""

    def __init__(self, ours: UXNet) -> None:
        super().__init__()
        self.stages, self.stage_norms, self.head = ours.stages, ours.stage_norms, ours.head
        self.skips = nn.ModuleList(_basic(block) for block in ours.skips)
        self.ups = nn.ModuleList(_up(block) for block in ours.ups)
        self.last = _basic(ours.last)

    def forward(self, image: Tensor) -> Tensor:
        features = pad_for_encoder(image)
        skips = [self.skips[0](features)]
        for stage, norm, skip in zip(self.stages, self.stage_norms, self.skips[1:], strict=True):
            features = stage(features)
            skips.append(skip(norm(features)))
        features = skips.pop()
        for up in self.ups:
            features = up(features, skips.pop())
        return crop_like(self.head(self.last(features)), image)


def _basic(ours: UnetrBlock) -> nn.Module:
    before, after = (ours.layer.conv1.conv.in_channels, ours.layer.conv1.conv.out_channels)
    theirs = UnetrBasicBlock(3, before, after, 3, 1, "instance", res_block=True)
    theirs.load_state_dict(ours.state_dict())
    return theirs


def _up(ours: UnetrUp) -> nn.Module:
    deeper, after = (ours.transp_conv.conv.in_channels, ours.transp_conv.conv.out_channels)
    theirs = UnetrUpBlock(3, deeper, after, 3, 2, "instance", res_block=True)
    theirs.load_state_dict(ours.state_dict())
    return theirs


def _torchs(ours: nn.Conv3d) -> nn.Conv3d:
    theirs = nn.Conv3d(
        ours.in_channels,
        ours.out_channels,
        ours.kernel_size[0],
        padding=ours.padding,
        groups=ours.groups,
        bias=ours.bias is not None,
    )
    theirs.load_state_dict(ours.state_dict())
    return theirs
