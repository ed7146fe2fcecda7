"""The one palette of heterogeneity classes."""

# Anchors from dark blue over blue-violet and magenta to orange and yellow. Lightness (CIELAB
# L*) rises all along, so the order survives every kind of colour blindness and a grey print.
_ANCHORS = (
    (0x14, 0x1E, 0x5A),
    (0x4B, 0x2B, 0x9E),
    (0x9C, 0x36, 0xA8),
    (0xDD, 0x51, 0x76),
    (0xF7, 0x8A, 0x3C),
    (0xFB, 0xC6, 0x3F),
    (0xF8, 0xEC, 0x55),
)

TUMOUR = "#009E73"
"""Tumour outlines and bars: bluish green of Okabe and Ito, which no class has."""

REST = "#7F7F7F"
"""Non-tumour bars."""


def class_colours(k: int) -> list[str]:
    """Colours of K classes as "#rrggbb", ordered: dark and cool is least suspicious.

    Args:
        k: number of classes, at least 1; a single one is the most suspicious colour.
    """
    colours = []
    for rank in range(k):
        place = (rank / (k - 1) if k > 1 else 1.0) * (len(_ANCHORS) - 1)
        low = min(int(place), len(_ANCHORS) - 2)
        part = place - low
        mixed = (
            round(a + part * (b - a)) for a, b in zip(_ANCHORS[low], _ANCHORS[low + 1], strict=True)
        )
        colours.append("#" + "".join(f"{value:02x}" for value in mixed))
    return colours
