"""Batch norms folded into the convolutions before them, for prediction."""

from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval


def fold_norms(network: nn.Module) -> nn.Module:
    """Fold, in place, every batch norm that follows a convolution; returns the network.

    In evaluation a batch norm is a factor and an offset a channel, which the convolution's weights
    can carry. Outputs are the same but for rounding. Such a network is no longer for training.

    Args:
        network: in evaluation mode.
    """
    for parent in network.modules():
        if not isinstance(parent, nn.Sequential):
            continue
        for place in range(len(parent) - 1):
            convolution, norm = parent[place], parent[place + 1]
            if not isinstance(norm, nn.BatchNorm3d):
                continue
            if isinstance(convolution, nn.Conv3d | nn.ConvTranspose3d):
                transposed = isinstance(convolution, nn.ConvTranspose3d)
                parent[place] = fuse_conv_bn_eval(convolution, norm, transposed)
                parent[place + 1] = nn.Identity()
    return network
