"""Record what devinterp's own optimizer does to fixed tensors; run it where devinterp 2.0.1 is installed.

python tests/sampling/make_devinterp_trace.py writes devinterp_trace.json beside itself.
"""

from __future__ import annotations

import json
import warnings
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

STEPS = 5
VARIANTS: dict[str, tuple[str, dict[str, float]]] = {
    "plain": ("sgld", {"lr": 0.013, "nbeta": 7.3}),
    "localized": ("sgld", {"lr": 0.013, "nbeta": 7.3, "localization": 11.7}),
    "decayed": ("sgld", {"lr": 0.013, "nbeta": 7.3, "localization": 11.7, "weight_decay": 0.37}),
    # torch.normal rounds σξ once from double: only for a power of two is that σ times the recorded float32 ξ.
    "quiet": ("sgld", {"lr": 0.013, "nbeta": 7.3, "localization": 11.7, "noise_level": 0.25}),
    "rmsprop": ("rmsprop_sgld", {"lr": 0.013, "nbeta": 7.3, "localization": 11.7, "alpha": 0.9, "eps": 0.1}),
    "rmsprop free": ("rmsprop_sgld", {"lr": 0.2, "nbeta": 3.1, "alpha": 0.99, "eps": 0.03}),
}


def trace(method: str, settings: dict[str, float], start: list[torch.Tensor], gradients: list[Any]) -> list[Any]:
    """Weights after each step of devinterp's optimizer."""
    from devinterp.optim.sgmcmc import SGMCMC  # here, so that collecting doctests needs no devinterp

    weights = [torch.nn.Parameter(w.clone()) for w in start]
    optimizer = getattr(SGMCMC, method)(weights, **settings)
    source = torch.Generator().manual_seed(1)
    path = []
    for gradient in gradients:
        for weight, g in zip(weights, gradient, strict=True):
            weight.grad = g.clone()
        optimizer.step(noise_generator=source)
        path.append([w.detach().clone() for w in weights])
    return path


def shortened(value: Any) -> Any:
    """Tensors as nested lists of the shortest decimals that stand for the same float32."""
    if isinstance(value, torch.Tensor):
        return [float(str(x)) for x in value.numpy().ravel()]
    return [shortened(v) for v in value] if isinstance(value, list) else value


def main() -> None:
    source = torch.Generator().manual_seed(0)
    start = [torch.randn(3, 2, generator=source), torch.randn(2, generator=source)]
    gradients = [[torch.randn(w.shape, generator=source) for w in start] for _ in range(STEPS)]
    source = torch.Generator().manual_seed(1)
    noise = [[torch.normal(0.0, 1.0, w.shape, generator=source) for w in start] for _ in range(STEPS)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        runs = {
            name: {"method": method, "settings": settings, "weights": trace(method, settings, start, gradients)}
            for name, (method, settings) in VARIANTS.items()
        }
    record = {
        "devinterp": version("devinterp"),
        "torch": version("torch"),
        "shapes": [list(w.shape) for w in start],
        "start": shortened(start),
        "gradients": shortened(gradients),
        "noise": shortened(noise),
        "runs": {name: run | {"weights": shortened(run["weights"])} for name, run in runs.items()},
    }
    Path(__file__).with_name("devinterp_trace.json").write_text(json.dumps(record) + "\n")


if __name__ == "__main__":
    main()
