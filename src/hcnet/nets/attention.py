"""Multi-head self-attention of tokens, what transformers here share."""

from torch import Tensor
from torch.nn import functional as F


def multi_head(qkv: Tensor, heads: int, mask: Tensor | None = None) -> Tensor:
    """Attend in each head by itself and join the heads again.

    Args:
        qkv: (sequences, length, 3 dim), queries, keys and values one after the other.
        heads: they share `dim`.
        mask: true where a token may be seen, broadcast to (sequences, heads, length, length).

    Returns:
        (sequences, length, dim).
    """
    # (3, sequences, heads, length, dim of a head)
    query, key, value = qkv.unflatten(2, (3, heads, -1)).permute(2, 0, 3, 1, 4)
    mixed = F.scaled_dot_product_attention(query, key, value, attn_mask=mask)
    return mixed.transpose(1, 2).flatten(2)
