"""Networks whose germ is known: singular by their architecture, or trained and with a germ planted in their weights."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from torch import nn
from torch.func import functional_call

from tiny import CONTEXT, VOCABULARY, make_tiny, tiny_tokens
from zeeman.examination import Subject
from zeeman.probes import Library, Probe
from zeeman.sampling import language_model_loss
from zeeman.subjects import Series

INPUTS, TOKENS = 50, 8


def squares(model: nn.Module, tokens: torch.Tensor) -> torch.Tensor:
    """Half the squared distance to the targets, for each token but the first."""
    return 0.5 * model(tokens[:, 1:]).square().sum(-1)


class Taught(nn.Module):
    """A student beside its teacher on fixed inputs for each token; gives what is left of the target."""

    def __init__(self, start: torch.Tensor, outputs: int, seed: int, noise: float) -> None:
        super().__init__()
        draw = torch.Generator().manual_seed(seed)
        self.w = nn.Parameter(start.clone())
        self.register_buffer("x", torch.randn(VOCABULARY**2, INPUTS, generator=draw))
        mix = torch.linalg.qr(torch.randn(outputs, outputs, generator=draw))[0]
        self.register_buffer("mix", mix * (0.7 + 0.6 * torch.rand(outputs, generator=draw)))
        self.register_buffer("blur", noise * torch.randn(VOCABULARY**2, outputs, generator=draw))
        self.register_buffer("target", self.features(self.x).detach() @ self.mix.T)

    def features(self, x: torch.Tensor) -> torch.Tensor:
        raise NotImplementedError

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        return self.features(self.x[tokens]) @ self.mix.T - self.target[tokens] - self.blur[tokens]


class Twins(Taught):
    """50 tanh units with an input each, and a copy of the last one: splitting the pair raises the loss as s⁴ (A3).

    tanh((b + s) x) + tanh((b − s) x) − 2 tanh(b x) = s² x² tanh''(b x) + O(s⁴), and a shift of b, which gives
    x tanh'(b x), undoes a part of it alone. All other weights are stiff.
    """

    def __init__(self, seed: int = 0, noise: float = 0.0) -> None:
        draw = np.random.default_rng(seed)
        start = torch.from_numpy(draw.uniform(0.6, 1.2, INPUTS + 1)).float()
        start[-1] = start[-2]
        super().__init__(start, INPUTS, seed, noise)

    def features(self, x: torch.Tensor) -> torch.Tensor:
        both = torch.tanh(self.w[-2] * x[..., -1:]) + torch.tanh(self.w[-1] * x[..., -1:])
        return torch.cat([torch.tanh(self.w[:-2] * x[..., :-1]), both], -1)


class Bottleneck(Taught):
    """A linear net of width one and some depth at 0, beside stiff tanh units, d = 50.

    Its loss is ½ x² (t − w_1 … w_L)²: x² y² (worse than X9) for L = 2 and t = 0, and −t x y z (corank 3) for L = 3.
    """

    def __init__(self, depth: int, missing: float, seed: int = 0, noise: float = 0.0) -> None:
        self.depth = depth
        start = torch.from_numpy(np.random.default_rng(seed).uniform(0.6, 1.2, INPUTS)).float()
        start[:depth] = 0.0
        super().__init__(start, INPUTS - depth + 1, seed, noise)
        self.target += missing * self.x[:, :1] @ self.mix.T[:1]

    def features(self, x: torch.Tensor) -> torch.Tensor:
        line = self.w[: self.depth].prod() * x[..., :1]
        return torch.cat([line, torch.tanh(self.w[self.depth :] * x[..., self.depth :])], -1)


class Held(nn.Module):
    """A trained transformer held by springs, with u^order planted along a random direction of its weights.

    L = ℓ(w* + η) − g·η + (κ/2)‖η‖² + u^order + f(row) u, where u = q·δ, η = δ − q u + bend u² p, and g is the mean
    gradient at w*: η = 0 is stationary, and the sheet is bent. ``force`` is the spread of f between rows.
    """

    def __init__(
        self, state: dict[str, torch.Tensor], g: torch.Tensor, order: int, seed: int = 0, force: float = 0.0
    ) -> None:
        super().__init__()
        net = make_tiny()
        net.load_state_dict(state)
        self.order, self.nets = order, (net,)  # hidden from torch, since its own weights do not move
        self.sizes = {name: p.shape for name, p in net.named_parameters()}
        self.register_buffer("start", torch.cat([p.detach().reshape(-1) for p in net.parameters()]))
        draw = torch.Generator().manual_seed(seed)
        frame = torch.linalg.qr(torch.randn(len(g), 2, generator=draw))[0]
        self.register_buffer("frame", frame)
        self.register_buffer("g", g)
        f = torch.randn(VOCABULARY, generator=draw)
        self.register_buffer("f", force * (f - f.mean()))
        self.w = nn.Parameter(torch.zeros(len(g)))

    def parts(self) -> tuple[torch.Tensor, torch.Tensor]:
        u = self.frame[:, 0] @ self.w
        return u, self.w - self.frame[:, 0] * u + 0.5 * u**2 * self.frame[:, 1]

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        place = self.start + self.parts()[1]
        cut = place.split([shape.numel() for shape in self.sizes.values()])
        weights = {name: part.view(self.sizes[name]) for name, part in zip(self.sizes, cut, strict=True)}
        return functional_call(self.nets[0], weights, (tokens,))


def held_loss(model: nn.Module, tokens: torch.Tensor, spring: float = 3.0) -> torch.Tensor:
    u, eta = model.parts()
    rest = 0.5 * spring * eta.square().sum() - model.g @ eta + u**model.order
    return language_model_loss(model, tokens) + rest + (model.f[tokens[:, 0]] * u)[:, None]


def trained(num_steps: int = 60) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
    """A counting transformer after some training, and its mean gradient on all sequences there are."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = make_tiny()
    rng = np.random.default_rng(0)
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-2)
    for _ in range(num_steps):
        loss = language_model_loss(net, torch.from_numpy(tiny_tokens(rng, 16))).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    every = (torch.arange(VOCABULARY)[:, None] + torch.arange(CONTEXT)) % VOCABULARY
    gradient = torch.autograd.grad(language_model_loss(net, every).mean(), list(net.parameters()))
    return {k: v.clone() for k, v in net.state_dict().items()}, torch.cat([part.reshape(-1) for part in gradient])


def taught(make: Callable[..., Taught], seed: int = 0, noise: float = 0.0, rows: int = 32) -> Subject:
    """A student at its teacher's weights."""
    tokens = np.random.default_rng([seed, 1]).integers(VOCABULARY**2, size=(max(rows, 64), TOKENS))
    factory = partial(make, seed=seed, noise=noise)
    return _subject(factory, [factory().state_dict()], tokens, squares, rows)


def held(
    network: tuple[dict[str, torch.Tensor], torch.Tensor],
    order: int,
    seed: int = 0,
    force: float = 0.0,
    rows: int = 32,
    chord: float = 1.0,
) -> Subject:
    """A held transformer, and a second checkpoint along the planted direction."""
    factory = partial(Held, *network, order, seed=seed, force=force)
    first, second = factory().state_dict(), factory().state_dict()
    second["w"] = chord * second["frame"][:, 0]
    tokens = tiny_tokens(np.random.default_rng([seed, 2]), max(rows, 64))
    return _subject(factory, [first, second], tokens, held_loss, rows)


def _subject(
    factory: Callable[[], nn.Module],
    states: list[dict[str, torch.Tensor]],
    tokens: np.ndarray,
    loss: Callable,
    rows: int,
) -> Subject:
    marks = np.ones(tokens.shape, bool) & (np.arange(tokens.shape[1]) > 0)
    library = Library.from_probes(
        "planted", Probe("train", tokens, marks), [Probe("some", tokens[: len(tokens) // 2], marks[: len(tokens) // 2])]
    )
    return Subject(Series.from_state_dicts(list(enumerate(states)), factory), library, loss, num_data_rows=rows)
