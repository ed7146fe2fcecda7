"""KIS-Net: ResUNet features on the image, fused with the heterogeneity map (paper section 2.3)."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

from hcnet.errors import ConfigError
from hcnet.nets.blocks import apply_safely
from hcnet.nets.kifb import KineticInformationFusionBlock
from hcnet.nets.resunet import ResUNetBody

PositiveInt = Annotated[int, Field(gt=0)]


class Options(BaseModel):
    """Options of `kisnet`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    width: Annotated[PositiveInt, Field(description="channels at full resolution")] = 16
    embedding: Annotated[PositiveInt, Field(description="length of a class's vector")] = 16
    convolutions: Annotated[PositiveInt, Field(description="3x3x3 layers after the fusion")] = 2
    image_channels: Annotated[PositiveInt, Field(description="the rest is the map")] = 1


class KISNet(nn.Module):
    """Kinetic Integration Segmentation Network; the output are logits.

    Args:
        image_channels: channels of the image, 1 for T1 without contrast.
        classes: channels of the heterogeneity map, K + 1 with the outside of the breast.
        out_channels: channels of the logits.
        width: channels of both streams at full resolution.
        embedding: length of the vector of a class.
        convolutions: 3x3x3 layers after the fusion.
    """

    def __init__(
        self,
        image_channels: int,
        classes: int,
        out_channels: int,
        width: int = 16,
        embedding: int = 16,
        convolutions: int = 2,
    ) -> None:
        super().__init__()
        self.structure = ResUNetBody(image_channels, width)
        self.fusion = KineticInformationFusionBlock(
            width, classes, out_channels, embedding, convolutions
        )

    def forward(self, image: Tensor, kinetic_map: Tensor) -> Tensor:
        """Logits (B, out_channels, x, y, z).

        Args:
            image: (B, image_channels, x, y, z) of any size.
            kinetic_map: class probabilities or one-hot labels (B, classes, x, y, z).
        """
        return apply_safely(self.fusion, self.structure(image), kinetic_map)


def build(in_channels: int, out_channels: int, options: Options) -> KISNet:
    """Build a `KISNet`.

    Args:
        in_channels: of image and map together, so 1 + (K + 1) for a T1 image and K codes.
        out_channels: of the logits.
        options: see `Options`.

    Raises:
        ConfigError: nothing is left for the map.
    """
    classes = in_channels - options.image_channels
    if classes < 1:
        raise ConfigError(
            f"kisnet: {in_channels} input channels leave none for the heterogeneity map beside "
            f"image_channels = {options.image_channels}; give those of image and map together."
        )
    return KISNet(
        options.image_channels,
        classes,
        out_channels,
        options.width,
        options.embedding,
        options.convolutions,
    )
