"""Labelled runs for `health.py`: subjects whose chains are good at their own settings, and the ways to spoil them."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from zeeman.demo.model import AttentionOnlyTransformer
from zeeman.demo.run import SETTINGS
from zeeman.demo.training import initial_model
from zeeman.probes import demo_library, training_windows
from zeeman.sampling import SGLD, ChainState, LocalPosterior, Schedule, language_model_loss, run_chain


@dataclass(frozen=True)
class Setup:
    """A subject with the settings of its chains; what spoils a run replaces some of them."""

    subject: str
    model: nn.Module
    data: Any
    loss: Callable[..., Any]
    n_beta: float
    localization: float
    lr: float
    batch_size: int | None = None
    num_burnin_steps: int = 400
    num_steps: int = 1200
    num_chains: int = 4
    noise_level: float = 1.0
    block_steps: int = 40
    copies: bool = False
    elsewhere: nn.Module | None = None
    shared: dict[Any, Any] = field(default_factory=dict)

    def posterior(self) -> LocalPosterior:
        return LocalPosterior(
            self.model,
            self.data,
            self.loss,
            n_beta=self.n_beta,
            localization=self.localization,
            batch_size=self.batch_size,
            shared=self.shared,
        )


@dataclass(frozen=True)
class Case:
    """A run with what is wrong with it ("good" if nothing is), and the verdicts that name it rightly."""

    label: str
    kinds: tuple[str, ...]
    setup: Setup
    seed: int


@dataclass(frozen=True)
class Run:
    """What the chains stored."""

    rows: NDArray[np.float32]
    distance: NDArray[np.float64]
    virial: NDArray[np.float64]


def walk(case: Case) -> Run:
    setup, posterior = case.setup, case.setup.posterior()
    sampler = SGLD(setup.lr, noise_level=setup.noise_level)
    schedule = Schedule(setup.num_steps, setup.num_burnin_steps)
    chains = []
    for chain in range(setup.num_chains):
        state = None
        if setup.elsewhere is not None and chain == 0:
            state = ChainState(0, [p.detach().clone() for p in setup.elsewhere.parameters()])
        blocks = run_chain(
            posterior,
            sampler,
            schedule,
            seed=case.seed,
            chain=0 if setup.copies else chain,
            block_steps=setup.block_steps,
            state=state,
        )
        chains.append(list(blocks))
    return Run(
        np.stack([np.concatenate([b.rows for b in chain]) for chain in chains]),
        np.array([[b.distance for b in chain] for chain in chains]),
        np.array([[b.virial for b in chain] for chain in chains]),
    )


# ---- subjects


class Point(nn.Module):
    def __init__(self, at: torch.Tensor) -> None:
        super().__init__()
        self.w = nn.Parameter(at.clone())


def potential(name: str, energy: Callable[[torch.Tensor], torch.Tensor], d: int, **settings: Any) -> Setup:
    def loss(model: nn.Module, batch: torch.Tensor) -> torch.Tensor:
        return energy(model.get_parameter("w")).expand(len(batch))

    return Setup(name, Point(torch.zeros(d)), torch.zeros(1), loss, **settings)


def quadratic(d: int, low: float, high: float, **settings: Any) -> Setup:
    h = torch.logspace(math.log10(low), math.log10(high), d)
    base = {"n_beta": 100.0, "localization": 1.0, "lr": 12 / (100 * high * 60)}
    return potential(f"quadratic, d = {d}", lambda w: 0.5 * (h * w * w).sum(), d, **base | settings)


def noisy_quadratic(d: int, sigma: float, seed: int, **settings: Any) -> Setup:
    """Rows pull at the well in directions of their own, so that minibatches carry a gradient noise of ``sigma``."""
    pulls = torch.randn(512, d, generator=torch.Generator().manual_seed(seed)) * sigma
    pulls -= pulls.mean(0)

    def loss(model: nn.Module, batch: torch.Tensor) -> torch.Tensor:
        w = model.get_parameter("w")
        return 0.5 * (w * w).sum() + batch @ w

    base = {"n_beta": 100.0, "localization": 1.0, "lr": 1e-3, "batch_size": 16}
    return Setup(f"noisy quadratic, d = {d}", Point(torch.zeros(d)), pulls, loss, **base | settings)


def quartic(d: int, **settings: Any) -> Setup:
    base = {"n_beta": 400.0, "localization": 0.1, "lr": 3e-3, "num_steps": 1500}
    return potential(f"quartic, d = {d}", lambda w: (w**4).sum(), d, **base | settings)


def crosses(copies: int, **settings: Any) -> Setup:
    """Σ x²y²: multiplicity 2 each."""
    base = {"n_beta": 2000.0, "localization": 20.0, "lr": 5e-4, "num_steps": 1500}

    def energy(w: torch.Tensor) -> torch.Tensor:
        x, y = w.view(2, copies)
        return (x * x * y * y).sum()

    return potential(f"x²y² × {copies}", energy, 2 * copies, **base | settings)


def half_flat(d: int, **settings: Any) -> Setup:
    """Half of the directions are free."""
    base = {"n_beta": 100.0, "localization": 5.0, "lr": 1.5e-3}
    return potential(f"half flat, d = {d}", lambda w: 0.5 * (w[: d // 2] ** 2).sum(), d, **base | settings)


def _fit(model: nn.Module, loss: Callable[..., Any], batches: Iterator[Any], steps: int, lr: float) -> nn.Module:
    optimizer = torch.optim.AdamW(model.parameters(), lr=lr, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, max(steps, 1))
    for _ in range(steps):
        optimizer.zero_grad()
        loss(model, next(batches)).mean().backward()
        optimizer.step()
        schedule.step()
    return model


def _seeded(make: Callable[[], nn.Module], seed: int) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return make()


def cross_entropy(model: nn.Module, batch: Any) -> torch.Tensor:
    return nn.functional.cross_entropy(model(batch[0]), batch[1], reduction="none")


def squares(model: nn.Module, batch: Any) -> torch.Tensor:
    return (model(batch[0]) - batch[1]).square().sum(1)


def dropping(rate: float, loss: Callable[..., Any]) -> Callable[..., Any]:
    """The loss with a dropout of its own on the model's output, which no evaluation mode turns off."""

    class Dropped(nn.Module):
        def __init__(self, inner: nn.Module) -> None:
            super().__init__()
            self.inner = inner

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return nn.functional.dropout(self.inner(x), rate)

    return lambda model, batch: loss(Dropped(model), batch)


@cache
def classifier(seed: int, width: int = 8, steps: int = 1500, **settings: Any) -> Setup:
    """Noisy exclusive or."""
    source = torch.Generator().manual_seed(seed)
    x = torch.randn(128, 2, generator=source)
    y = ((x.prod(1) > 0) ^ (torch.rand(128, generator=source) < 0.1)).long()
    model = _seeded(lambda: nn.Sequential(nn.Linear(2, width), nn.Tanh(), nn.Linear(width, 2)), seed)
    _fit(model, cross_entropy, iter(lambda: (x, y), None), steps, 0.03)
    base = {"n_beta": 30.0, "localization": 30.0, "lr": 1.5e-3, "batch_size": 32}
    return Setup("classifier", model, (x, y), cross_entropy, **base | settings)


@cache
def regressor(seed: int, width: int = 10, steps: int = 3000, **settings: Any) -> Setup:
    source = torch.Generator().manual_seed(seed)
    x = torch.linspace(-2, 2, 200)[:, None]
    y = torch.sin(2 * x + seed) + 0.3 * torch.randn(200, 1, generator=source)
    model = _seeded(lambda: nn.Sequential(nn.Linear(1, width), nn.Tanh(), nn.Linear(width, 1)), seed)
    _fit(model, squares, iter(lambda: (x, y), None), steps, 0.02)
    base = {"n_beta": 40.0, "localization": 20.0, "lr": 3e-4, "num_steps": 1600}
    return Setup("regressor", model, (x, y), squares, **base | settings)


@cache
def deep_linear(seed: int, width: int = 6, steps: int = 1500, **settings: Any) -> Setup:
    """Three layers that learned a teacher of rank 2."""
    source = torch.Generator().manual_seed(seed)
    x = torch.randn(256, width, generator=source)
    teacher = torch.randn(width, 2, generator=source) @ torch.randn(2, width, generator=source) / width**0.5
    y = x @ teacher + 0.5 * torch.randn(256, width, generator=source)
    model = _seeded(lambda: nn.Sequential(*(nn.Linear(width, width, bias=False) for _ in range(3))), seed)
    _fit(model, squares, iter(lambda: (x, y), None), steps, 0.02)
    base = {"n_beta": 46.0, "localization": 10.0, "lr": 4e-4, "batch_size": 64}
    return Setup("deep linear net", model, (x, y), squares, **base | settings)


@cache
def counting_model(seed: int, steps: int = 300, **settings: Any) -> Setup:
    """A language model of 640 weights that counts upwards, with a tenth of its tokens random."""
    rng = np.random.default_rng(seed)

    def tokens(rows: int) -> torch.Tensor:
        clean = (rng.integers(16, size=(rows, 1)) + np.arange(12)) % 16
        noise = rng.random((rows, 12)) < 0.1
        return torch.from_numpy(np.where(noise, rng.integers(16, size=(rows, 12)), clean))

    shape = {"vocabulary": 16, "context": 12, "width": 8, "num_heads": 2, "num_layers": 1}
    model = _seeded(lambda: AttentionOnlyTransformer(**shape), seed)
    _fit(model, language_model_loss, iter(lambda: tokens(32), None), steps, 1e-2)
    base = {"n_beta": 100.0, "localization": 100.0, "lr": 1e-3, "batch_size": 16, "num_burnin_steps": 100}
    base |= {"num_steps": 300, "num_chains": 3, "block_steps": 20}
    return Setup("counting language model", model, tokens(256), language_model_loss, **base | settings)


@cache
def demo_model(seed: int, steps: int = 400, **settings: Any) -> Setup:
    """The demo's language model after some steps of its training, at the demo's own settings."""
    rng = np.random.default_rng(seed)
    model = initial_model(seed)
    optimizer = torch.optim.AdamW(model.parameters(), lr=4e-3, betas=(0.9, 0.98))
    for _ in range(steps):
        optimizer.zero_grad()
        language_model_loss(model, torch.from_numpy(training_windows(rng, 32))).mean().backward()
        optimizer.step()
    s = SETTINGS
    base = {"n_beta": s.n_beta, "localization": s.localization, "lr": s.lr, "batch_size": 8, "num_chains": s.num_chains}
    base |= {"num_burnin_steps": s.num_burnin_steps, "num_steps": s.schedule.num_steps - s.num_burnin_steps}
    data = torch.tensor(_library().data.inputs)
    return Setup("demo's language model", model, data, language_model_loss, **base | {"block_steps": 60} | settings)


_library = cache(demo_library)


def wells(d: int, wall: float, tilt: float = 0.0, **settings: Any) -> Setup:
    """A checkpoint in a quadratic well with another beside it, quartic in the other directions: d/2 there, d/4 here.

    The wall between them is ``wall`` temperatures high; ``tilt`` lifts the other well.
    """

    def energy(w: torch.Tensor) -> torch.Tensor:
        x, rest = w[0], w[1:]
        other = torch.sigmoid(12 * (x - 0.5))
        across = 0.16 * wall * x * x * (x - 1) ** 2 + tilt * other
        return across + ((1 - other) * 0.5 * rest**2 + other * rest**4).sum()

    base = {"n_beta": 100.0, "localization": 0.1, "lr": 6e-4, "num_steps": 1500}
    return potential("two wells", energy, d, **base | settings)


def saddle(d: int, depth: float, **settings: Any) -> Setup:
    """A checkpoint from which one direction leads down."""

    def energy(w: torch.Tensor) -> torch.Tensor:
        return 0.5 * (w[1:] ** 2).sum() + depth * ((w[0] ** 2 - 1) ** 2 - 1)

    return potential(f"saddle, d = {d}", energy, d, **{"n_beta": 100.0, "localization": 1.0, "lr": 1e-3} | settings)


def wrong_reference(setup: Setup, model: nn.Module | None = None, permute: int | None = None) -> Setup:
    """Take the reference losses at other weights, or of other rows."""
    other = replace(setup, model=model or setup.model, shared={})
    next(iter(run_chain(other.posterior(), SGLD(setup.lr), Schedule(1), seed=0, chain=0)))
    shared = dict(other.shared)
    if permute is not None:
        for size, found in shared.items():
            order = torch.randperm(len(found.rows), generator=torch.Generator().manual_seed(permute))
            shared[size] = replace(found, rows=found.rows[order])
    return replace(setup, shared=shared)


def shaken(setup: Setup, by: float, seed: int) -> nn.Module:
    """The model with Gaussian noise on its weights, as another checkpoint would be."""
    model, source = copy.deepcopy(setup.model), torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for p in model.parameters():
            p.add_(torch.randn(p.shape, generator=source) * by)
    return model


# ---- cases

STILL_RISING = ("TOO_COLD", "DRIFTING", "TOO_FEW_DRAWS", "NOT_MIXED")
HOT = ("HEATED", "DIVERGED")


def good_cases(half: int) -> Iterator[Setup]:
    """Chains that sample what they should: short and long, few and many, of memory, of high and low d."""
    k = half  # the halves differ in seeds, sizes and curvatures
    yield from (quadratic(20 + 4 * k, 0.5, 5.0), quadratic(20 + 4 * k, 0.5, 5.0, num_steps=6000))
    yield quadratic(200 - 50 * k, 1.0, 8.0)
    yield quadratic(200 - 50 * k, 1.0, 8.0, num_steps=300, num_chains=8)
    yield quadratic(3 + k, 1.0, 3.0, num_steps=3000)
    yield quadratic(2000 + 500 * k, 1.0, 4.0, num_steps=400, num_chains=2, num_burnin_steps=300)
    yield quadratic(20 + k, 0.5, 5.0, num_chains=16, num_steps=500)
    yield quadratic(30 + k, 0.5, 5.0, lr=1e-4, num_burnin_steps=800, num_steps=4000)
    yield noisy_quadratic(30 + 5 * k, 0.4, half)
    yield noisy_quadratic(10 + k, 0.6, half, batch_size=64, num_steps=2500)
    yield from (quartic(6 + 2 * k), quartic(40 + 10 * k), quartic(40 - 5 * k, num_steps=4000, num_chains=2))
    yield from (crosses(1 + k, num_steps=5000), crosses(20 + 5 * k), crosses(100 + 20 * k, num_steps=600))
    yield from (half_flat(20 + 10 * k), half_flat(200 + 100 * k))
    for n in (0, 1):
        seed = 10 * half + n
        yield from (classifier(seed), classifier(seed, num_steps=500, num_chains=3), regressor(seed), deep_linear(seed))
        yield counting_model(seed)
    seed = 10 * half
    yield classifier(seed + 2, width=16 + 4 * k, batch_size=4, num_steps=2500, lr=5e-4, num_burnin_steps=600)
    yield classifier(seed + 3, width=4 + k, num_chains=12, num_steps=600)
    yield classifier(seed + 4, batch_size=None, num_steps=2500)
    yield regressor(seed + 2, width=20 + 5 * k)
    yield regressor(seed + 3, batch_size=50, lr=1e-4, num_burnin_steps=1000, num_steps=3000)
    yield deep_linear(seed + 2, width=4 + k)
    yield deep_linear(seed + 3, width=10 - k, num_steps=600)
    yield deep_linear(seed + 4, batch_size=None)
    yield counting_model(seed + 2, num_steps=900)
    yield counting_model(seed + 3, batch_size=4, num_chains=6)
    yield counting_model(seed + 4, steps=600 + 100 * k)
    yield from (demo_model(seed), demo_model(seed + 1, steps=600), demo_model(seed + 2, steps=300, batch_size=32))


def cases(half: int) -> Iterator[Case]:
    """All runs of a half, 0 to choose thresholds by and 1 to measure them on."""
    seed = 1000 * (half + 1)
    for number, setup in enumerate(good_cases(half)):
        yield Case("good", ("OK",), setup, seed + number)
    for number, (label, kinds, setup) in enumerate(bad_cases(half)):
        yield Case(label, kinds, setup, seed + 500 + number)


def bad_cases(half: int) -> Iterator[tuple[str, tuple[str, ...], Setup]]:
    k, seed = half, 10 * half + 5
    plain = {
        "quadratic": quadratic(20 + 4 * k, 0.5, 5.0),
        "wide": quadratic(200 - 50 * k, 1.0, 8.0),
        "quartic": quartic(40 + 10 * k),
        "crosses": crosses(20 + 5 * k),
        "classifier": classifier(seed),
        "regressor": regressor(seed),
        "linear": deep_linear(seed),
        "counting": counting_model(seed),
        "demo": demo_model(seed, steps=400 + 50 * k),
    }
    for spoil in (_hot, _heating, _cold, _unsettled, _strange, _outside, _bookkeeping, _weak):
        yield from spoil(plain, half)


def _hot(plain: dict[str, Setup], half: int) -> Iterator[tuple[str, tuple[str, ...], Setup]]:
    more = 1 + 0.2 * half
    factors = {"quadratic": 10, "wide": 10, "quartic": 8, "crosses": 8, "classifier": 12, "regressor": 20}
    factors |= {"linear": 8, "counting": 6, "demo": 4}
    for name, factor in factors.items():
        yield "too hot", (*HOT, "TOO_ANHARMONIC"), replace(plain[name], lr=plain[name].lr * factor * more)
    for name in ("quartic", "classifier", "linear", "demo"):
        yield "exploded, finite", HOT, replace(plain[name], lr=plain[name].lr * 60 * more)
    for name in ("quartic", "crosses", "regressor", "linear", "counting"):
        yield "not finite", ("DIVERGED",), replace(plain[name], lr=1e6 * more)


def _heating(plain: dict[str, Setup], half: int) -> Iterator[tuple[str, tuple[str, ...], Setup]]:
    yield "minibatch heat", HOT, noisy_quadratic(30 + 5 * half, 1.5, half)
    yield "minibatch heat", HOT, noisy_quadratic(100, 1.0 + 0.2 * half, half, batch_size=4)
    yield "minibatch heat", HOT, replace(plain["linear"], batch_size=2, lr=plain["linear"].lr * 3)
    yield "minibatch heat", HOT, replace(plain["regressor"], batch_size=2, lr=3e-3)


def _cold(plain: dict[str, Setup], half: int) -> Iterator[tuple[str, tuple[str, ...], Setup]]:
    levels = {"quadratic": 0.8, "quartic": 0.5, "classifier": 0.6, "linear": 0.3, "demo": 0.7}
    for name, level in levels.items():
        yield "too cold", ("TOO_COLD",), replace(plain[name], noise_level=level - 0.1 * half)
    for name in ("wide", "crosses", "regressor", "counting", "demo"):
        yield "steps too small", STILL_RISING, replace(plain[name], lr=plain[name].lr * 1e-3 / (1 + half))


def _unsettled(plain: dict[str, Setup], half: int) -> Iterator[tuple[str, tuple[str, ...], Setup]]:
    for name, steps in (("wide", 60), ("classifier", 60), ("linear", 100), ("counting", 24)):
        setup = plain[name]
        hasty = replace(setup, num_burnin_steps=0, num_steps=steps, lr=setup.lr / 8, block_steps=10)
        yield "no burn-in", STILL_RISING, hasty
    for name in ("classifier", "linear", "regressor", "demo"):
        yield "keeps rising", (*STILL_RISING, "DIVERGED"), replace(plain[name], localization=0.01 * (1 + half))
    yield "keeps rising", STILL_RISING, replace(plain["crosses"], localization=0.01 * (1 + half))
    for name, steps in (("quadratic", 6), ("quartic", 5), ("regressor", 7), ("counting", 4)):
        yield "too few draws", ("TOO_FEW_DRAWS",), replace(plain[name], num_steps=steps + half)


def _strange(plain: dict[str, Setup], half: int) -> Iterator[tuple[str, tuple[str, ...], Setup]]:
    apart = ("NOT_MIXED", "DRIFTING", "TOO_FEW_DRAWS", "TOO_COLD")
    yield "unmixed", (*apart, "TOO_ANHARMONIC"), wells(20 + 4 * half, 3.0)
    yield "unmixed", (*apart, "TOO_ANHARMONIC"), wells(40 + 5 * half, 4.0, num_chains=8)
    for name in ("classifier", "regressor", "linear"):
        setup = plain[name]
        away = shaken(setup, 0.7, 3 + half)
        _fit(away, setup.loss, iter(lambda s=setup: s.data, None), 300, 0.01)  # type: ignore[misc]
        far = replace(setup, localization=0.3, lr=setup.lr / 2, elsewhere=away)
        yield "one chain elsewhere", (*apart, "DIVERGED", "BELOW_REFERENCE"), far
    yield "copies", ("COPIED_CHAINS",), replace(plain["quadratic"], copies=True)
    yield "copies", ("COPIED_CHAINS",), replace(plain["counting"], copies=True)
    yield "heavy tails", ("TOO_ANHARMONIC", *HOT, *apart), replace(plain["demo"], n_beta=500.0, localization=10.0)


def _outside(plain: dict[str, Setup], half: int) -> Iterator[tuple[str, tuple[str, ...], Setup]]:
    below = ("BELOW_REFERENCE",)
    yield "no minimum", below, saddle(10 + half, 0.3)
    yield "no minimum", below, saddle(40 + half, 1.0)
    yield "no minimum", below, classifier(70 + half, steps=20, n_beta=300.0, localization=1.0)
    yield "no minimum", below, regressor(71 + half, steps=100, n_beta=300.0, localization=1.0)
    yield "no minimum", below, deep_linear(72 + half, steps=10, n_beta=300.0, localization=1.0, lr=1e-4)
    yield "no minimum", below, counting_model(73 + half, steps=20, n_beta=1000.0, localization=1.0, lr=1e-4)
    yield "no minimum", below, demo_model(74 + half, steps=20, n_beta=1000.0, localization=1.0, lr=2e-4)
    escaped = (*below, "DRIFTING", "NOT_MIXED")
    yield "escaped", escaped, wells(12 + 2 * half, 2.0, tilt=-0.3)
    yield "escaped", escaped, wells(16, 4.0, tilt=-0.5 - 0.1 * half, num_chains=6)


def _bookkeeping(plain: dict[str, Setup], half: int) -> Iterator[tuple[str, tuple[str, ...], Setup]]:
    wrong = ("WRONG_REFERENCE",)
    for name, by in (("classifier", 0.1), ("regressor", 0.02), ("linear", 0.05), ("counting", 0.03), ("demo", 0.01)):
        setup = plain[name]
        yield "wrong weights", wrong, wrong_reference(setup, model=shaken(setup, by * (1 + half), half))
    for name in ("classifier", "linear", "demo"):
        yield "wrong rows", wrong, wrong_reference(plain[name], permute=half)
    for name, rate in (("classifier", 0.1), ("regressor", 0.05), ("linear", 0.2), ("counting", 0.1), ("demo", 0.1)):
        setup = plain[name]
        rate = rate * (1 + half)
        yield "random loss", ("REFUSED", *wrong), replace(setup, loss=dropping(rate, setup.loss), shared={})


def _weak(plain: dict[str, Setup], half: int) -> Iterator[tuple[str, tuple[str, ...], Setup]]:
    weak = ("NO_SIGNAL",)
    yield "no signal", weak, noisy_quadratic(10, 1.0, half, n_beta=0.02, lr=3e-2, batch_size=8, localization=1.0)
    yield "no signal", weak, replace(plain["classifier"], n_beta=0.02 * (1 + half), batch_size=4)
    yield "no signal", weak, replace(plain["linear"], n_beta=0.01 * (1 + half), batch_size=2)
    yield "no signal", weak, replace(plain["demo"], n_beta=0.1 * (1 + half))
    yield "no signal", weak, replace(plain["wide"], n_beta=1e-3 * (1 + half), lr=5e-3, localization=10.0)
