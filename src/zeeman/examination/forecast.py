"""What forward-only spectroscopy of a large language model would cost, from its shape alone."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zeeman.errors import ZeemanError

PEAK = {"a100": 312e12, "h100": 989e12, "h200": 989e12}
"""Dense bfloat16 operations a second of one device, as its maker states them."""
UTILIZATION = 0.4
"""Share of the peak that passes without a gradient reach; 44 % of it was measured on a processor (decision 12)."""
FIGURES = 4
"""Kept of a token and component, in double precision: ρ and the covariance, with their errors."""
PARALLEL = ("gpt_neox", "gptj", "phi", "falcon")
"""Families whose attention and perceptron read the same input, so that neither waits for the other."""
_NAMES = {
    "layers": ("num_hidden_layers", "n_layer"),
    "width": ("hidden_size", "n_embd"),
    "heads": ("num_attention_heads", "n_head"),
    "vocabulary": ("vocab_size",),
}


@dataclass(frozen=True)
class Shape:
    """Sizes of a decoder.

    Parameters
    ----------
    layers, width, heads, perceptron, vocabulary : int
        ``perceptron`` is the width inside it.
    parallel : bool
        Whether attention and perceptron of a layer stand side by side.
    gated : bool
        Whether the perceptron has a third matrix.
    """

    layers: int
    width: int
    heads: int
    perceptron: int
    vocabulary: int
    parallel: bool
    gated: bool = False

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Shape:
        """Take the sizes from the contents of a ``config.json`` of transformers.

        Raises
        ------
        ZeemanError
            If a size is missing.
        """
        found: dict[str, int] = {}
        for field, names in _NAMES.items():
            values = [config[name] for name in names if isinstance(config.get(name), int) and config[name] > 0]
            if not values:
                raise ZeemanError(
                    f"expected the config of a language model with {' or '.join(names)}, got none; "
                    "take config.json from the model's folder."
                )
            found[field] = values[0]
        inner = config.get("intermediate_size") or config.get("n_inner") or 4 * found["width"]
        kind = str(config.get("model_type", ""))
        parallel = kind in PARALLEL and bool(config.get("use_parallel_residual", True))
        return cls(**found, perceptron=int(inner), parallel=parallel, gated="silu" in str(config.get("hidden_act")))

    @classmethod
    def from_file(cls, path: Path) -> Shape:
        """Take the sizes from a ``config.json``.

        Raises
        ------
        ZeemanError
            If there is no such file, or it is no config.
        """
        try:
            config = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise ZeemanError(f"could not read {path} ({error}); name the config.json of a model.") from error
        if not isinstance(config, dict):
            raise ZeemanError(f"{path} holds no config, expected names and sizes; name the config.json of a model.")
        return cls.from_config(config)

    def attention(self, context: int) -> float:
        """Operations a token in the attention of one layer: four projections, and scores and sums over half of T.

        Where heads share keys and values, this is too much.
        """
        return 8.0 * self.width**2 + 2.0 * context * self.width

    @property
    def mlp(self) -> float:
        """Operations a token in the perceptron of one layer."""
        return (6.0 if self.gated else 4.0) * self.width * self.perceptron

    @property
    def readout(self) -> float:
        """Operations a token in the unembedding."""
        return 2.0 * self.width * self.vocabulary

    def components(self, context: int) -> dict[str, tuple[int, float]]:
        """Operations a token and draw of each component, with what lies below it kept.

        The kinds are those of `forward_draws`: a head pays for the attention of its layer, and for the perceptron only
        where that waits for the attention; a perceptron for itself; each for all layers above and the unembedding.

        Returns
        -------
        dict
            By name: number of such components, operations a token and draw.

        Examples
        --------
        >>> shape = Shape(2, 64, 4, 256, 100, parallel=True)
        >>> shape.components(16)["unembed"]
        (1, 12800.0)
        >>> shape.components(16)["l1 heads"] == (4, 8 * 64**2 + 2 * 16 * 64 + 12800.0)
        True
        """
        layer = self.attention(context) + self.mlp
        found = {"embed": (1, self.layers * layer + self.readout), "unembed": (1, self.readout)}
        for index in range(self.layers):
            above = (self.layers - 1 - index) * layer + self.readout
            own = self.attention(context) + (0.0 if self.parallel else self.mlp)
            found[f"l{index} heads"] = (self.heads, own + above)
            found[f"l{index} mlp"] = (1, self.mlp + above)
        return found


@dataclass(frozen=True)
class Forecast:
    """Cost of a job.

    Parameters
    ----------
    components : int
    operations : float
    device_hours : float
    share_of_plain : float
        Operations beside those of passes that keep nothing.
    bytes_of_draws, bytes_of_sums : int
        If every difference is stored in half precision; if only the response and its errors are.
    """

    components: int
    operations: float
    device_hours: float
    share_of_plain: float
    bytes_of_draws: int
    bytes_of_sums: int


def forecast(shape: Shape, *, tokens: int, num_draws: int, context: int = 1024, hardware: str = "h200") -> Forecast:
    """Predict the cost of unloaded draws of every head, perceptron, embedding and unembedding.

    Operations = draws × tokens × Σ over components of what a draw of it has to compute anew (`Shape.components`), and
    one plain pass more for the reference; at 40 % of the device's peak. Noise, transfers and starting up come on top.

    Parameters
    ----------
    shape : Shape
    tokens : int
    num_draws : int
        Over all chains.
    context : int
        Tokens of a window.
    hardware : {"a100", "h100", "h200"}

    Returns
    -------
    Forecast

    Raises
    ------
    ZeemanError
        For numbers that make no sense or hardware that is not in the table.

    Examples
    --------
    >>> pythia = Shape(24, 2048, 16, 8192, 50304, parallel=True)
    >>> job = forecast(pythia, tokens=4_250_000, num_draws=24)
    >>> job.components, round(job.device_hours)
    (410, 43)
    """
    if min(tokens, num_draws, context) < 1:
        raise ZeemanError(
            f"expected at least 1 token, 1 draw and windows of 1, got {tokens}, {num_draws} and {context}; raise them."
        )
    if hardware not in PEAK:
        raise ZeemanError(f"expected one of {', '.join(PEAK)} as hardware, got {hardware!r}; choose one of them.")
    parts = shape.components(context).values()
    count = sum(number for number, _ in parts)
    whole = shape.components(context)["embed"][1]
    kept = sum(number * operations for number, operations in parts)
    operations = tokens * (num_draws * kept + whole)
    return Forecast(
        components=count,
        operations=operations,
        device_hours=operations / (PEAK[hardware] * UTILIZATION) / 3600,
        share_of_plain=kept / (count * whole),
        bytes_of_draws=2 * tokens * num_draws * count,
        bytes_of_sums=8 * FIGURES * tokens * count,
    )
