"""The demo's network: a small attention-only transformer."""

from __future__ import annotations

import torch
from torch import nn


class Attention(nn.Module):
    """Causal multi-head attention without biases."""

    def __init__(self, width: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.q_proj = nn.Linear(width, width, bias=False)
        self.k_proj = nn.Linear(width, width, bias=False)
        self.v_proj = nn.Linear(width, width, bias=False)
        self.o_proj = nn.Linear(width, width, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (batch, T, width) to the same shape."""
        q, k, v = (
            project(x).unflatten(-1, (self.num_heads, -1)).transpose(1, 2)
            for project in (self.q_proj, self.k_proj, self.v_proj)
        )
        mixed = nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        out: torch.Tensor = self.o_proj(mixed.transpose(1, 2).flatten(2))
        return out


class Block(nn.Module):
    """Attention behind a normalization, added to the stream."""

    def __init__(self, width: int, num_heads: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.attn = Attention(width, num_heads)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (batch, T, width) to the same shape."""
        return x + self.attn(self.norm(x))  # type: ignore[no-any-return]


class AttentionOnlyTransformer(nn.Module):
    """Attention-only transformer over characters.

    Parameters
    ----------
    vocabulary, context, width, num_heads, num_layers : int

    Examples
    --------
    >>> model = AttentionOnlyTransformer()
    >>> sum(p.numel() for p in model.parameters())
    53632
    >>> tuple(model(torch.zeros(2, 64, dtype=torch.int64)).shape)
    (2, 64, 128)
    """

    def __init__(
        self, vocabulary: int = 128, context: int = 64, width: int = 64, num_heads: int = 4, num_layers: int = 2
    ) -> None:
        super().__init__()
        self.embed = nn.Embedding(vocabulary, width)
        self.position = nn.Embedding(context, width)
        self.layers = nn.ModuleList(Block(width, num_heads) for _ in range(num_layers))
        self.norm = nn.LayerNorm(width)
        self.unembed = nn.Linear(width, vocabulary, bias=False)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """Map token ids (batch, T) to logits (batch, T, vocabulary)."""
        x = self.embed(tokens) + self.position.weight[: tokens.shape[1]]
        for layer in self.layers:
            x = layer(x)
        logits: torch.Tensor = self.unembed(self.norm(x))
        return logits
