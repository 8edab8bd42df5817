"""Draws of all components of a planted model on tokens whose rule is known, with what each of them cost."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from benchmarks.planted.grammar import KIND_OF_RULE, Floats, Grammar, Integers
from numpy.typing import NDArray
from torch import nn

from zeeman.bands import prepare, reproducible_axes
from zeeman.sampling import SGLD, LocalPosterior, Observable, Schedule, forward_draws, gather, match_energy, run_chain
from zeeman.spectra import Susceptibility, importance_weights, log_amplitude, respond

COMPONENTS = [
    *(f"l{layer}h{head}" for layer, head in itertools.product(range(3), range(4))),
    *(f"l{layer} mlp" for layer in range(3)),
    "embed",
    "unembed",
]
CHAINS, DRAWS = 4, 15
PAIRED_CHAINS, PAIRED_DRAWS = 6, 10
START = 100.0
"""Localization at which the search for the energy begins."""
FEW, ROUNDS, CLOSE = 16, 8, 0.1
"""Windows on which energies are matched, in so many rounds at most, up to a tenth."""
BATCH, DATA = 8, 512
STEP = 0.08
"""Step size of a loaded chain in units of 1/γ: a direction without curvature keeps .62 of a draw until the next."""
LOADED = Schedule(num_draws=DRAWS, num_burnin_steps=60, num_steps_bw_draws=12)
PILOT, PILOTS = Schedule(num_draws=8, num_burnin_steps=60, num_steps_bw_draws=12), 3


@dataclass(frozen=True, eq=False)
class Asked:
    """Settled tokens and the truth about them; arrays of shape (tokens,) in the order of the mask."""

    item: Observable
    rows: Integers
    columns: Integers
    rule: Integers
    sham: NDArray[np.bool_]

    @property
    def kind(self) -> Integers:
        found: Integers = KIND_OF_RULE[self.rule]
        return found

    @property
    def few(self) -> Observable:
        """The first windows."""
        return Observable(self.item.batch[:FEW], self.item.scored[:FEW])


@dataclass(frozen=True, eq=False)
class Drawn:
    """Draws of every component.

    Parameters
    ----------
    phi : array, shape (components, chains, draws)
    differences : array of float16, shape (components, chains, draws, tokens)
    localization : array, shape (components,)
    setting_up, drawing : float
        CPU seconds, to match the energies and to draw.
    """

    phi: Floats
    differences: NDArray[np.float16]
    localization: Floats
    setting_up: float
    drawing: float

    def first(self, chains: int, draws: int) -> Drawn:
        """The first draws of the first chains, and what they cost: burning in counts as setting up, of all chains."""
        share = chains * draws / self.phi[0].size
        return replace(
            self,
            phi=self.phi[:, :chains, :draws],
            differences=self.differences[:, :chains, :draws],
            drawing=self.drawing * share,
        )

    @property
    def halves(self) -> tuple[Drawn, Drawn]:
        """The first chains and the others."""
        middle = self.phi.shape[1] // 2
        first, second = (
            replace(self, phi=self.phi[:, part], differences=self.differences[:, part])
            for part in (slice(None, middle), slice(middle, None))
        )
        return first, second

    @property
    def seconds(self) -> float:
        return self.setting_up + self.drawing

    @classmethod
    def cached(cls, path: Path, make: Callable[[], Drawn]) -> Drawn:
        """Read the draws from a file, or make them and write it."""
        if not path.exists():
            np.savez(path, **vars(make()))
        with np.load(path) as kept:
            seconds = float(kept["setting_up"]), float(kept["drawing"])
            return cls(kept["phi"], kept["differences"], kept["localization"], *seconds)


def ask(grammar: Grammar, seed: int, n: int, shams: bool) -> Asked:
    """Draw windows and take all of their settled tokens."""
    rng = np.random.default_rng([seed, *b"asked", shams])
    windows = grammar.balanced_windows(rng, n, shams)
    rows, columns = np.nonzero(windows.settled)
    scored = torch.from_numpy(windows.settled[:, 1:].copy())
    item = Observable(torch.from_numpy(windows.tokens), scored)
    return Asked(item, rows, columns, windows.rule[rows, columns], windows.sham[rows, columns])


def unloaded(
    model: nn.Module,
    asked: Asked,
    energy: float,
    seed: int,
    draws: int = DRAWS,
    start: Floats | None = None,
    antithetic: bool = False,
) -> Drawn:
    """Draw at nβ = 0, every component at the localization that gives it the energy.

    Where draws lower the loss, as in the beginning of a training, there is no such localization: it stays at ``start``.
    Antithetic pairs come in more and shorter chains, ten draws each, so that no stretch of the jackknife parts a pair.
    """
    chains, draws = (PAIRED_CHAINS, PAIRED_DRAWS) if antithetic else (CHAINS, draws)
    begun = time.process_time()
    whole = LocalPosterior(model, asked.item.batch[:1], n_beta=0.0, localization=START)
    begin = np.full(len(COMPONENTS), START) if start is None else start
    posteriors = [
        _matched(replace(whole, component=name, localization=gamma), asked.few, energy, seed + 1000)
        for name, gamma in zip(COMPONENTS, begin.tolist(), strict=True)
    ]
    matched = time.process_time()
    tiles = forward_draws(
        posteriors, asked.item, seed=seed, chains=range(chains), num_draws=draws, antithetic=antithetic
    )
    read = gather(tiles)
    return Drawn(
        np.stack([read[name][0] for name in COMPONENTS]),
        np.stack([read[name][1] for name in COMPONENTS]),
        np.array([posterior.localization for posterior in posteriors]),
        matched - begun,
        time.process_time() - matched,
    )


def _matched(part: LocalPosterior, few: Observable, energy: float, seed: int) -> LocalPosterior:
    """Match the energy by roots of the steps that `match_energy` takes.

    A step assumes that the energy goes as 1/γ; far from w* it goes as a higher power, and from the second on whole
    steps run away. Where no draws cost as much (those of an embedding that is hardly in use yet), the search ends short
    of the energy after the last round: what was reached is reported.
    """
    for _ in range(ROUNDS):
        step = match_energy(part, few, energy, seed=seed, num_rounds=1).localization / part.localization
        part = replace(part, localization=part.localization * step**0.5)
        if abs(step - 1) < CLOSE:
            break
    return part


def loaded(
    model: nn.Module,
    data: torch.Tensor,
    asked: Asked,
    energy: float,
    seed: int,
    localization: Floats,
    draws: int = DRAWS,
) -> Drawn:
    """Draw by SGLD at nβ = γ, which is found so that the energy is the given one: it goes as 1/γ near w*.

    Pilots of one chain find γ, and begin at the given localization; they and the burning in count as setting up.
    """
    phi, differences, found, setting_up, drawing = [], [], [], 0.0, 0.0
    whole = LocalPosterior(model, data, n_beta=START, localization=START, batch_size=BATCH)
    for name, gamma in zip(COMPONENTS, localization.tolist(), strict=True):
        part = replace(whole, component=name, n_beta=gamma, localization=gamma)
        begun = time.process_time()
        for pilot in range(PILOTS):
            ratio = float(_chain(part, PILOT, seed + 1000, pilot, asked.few)[0].mean()) / energy
            root = max(ratio, 0.01) ** 0.5
            part = replace(part, n_beta=part.n_beta * root, localization=part.localization * root)
        setting_up += time.process_time() - begun
        schedule = replace(LOADED, num_draws=draws)
        chains = [_chain(part, schedule, seed, chain, asked.item) for chain in range(CHAINS)]
        setting_up += sum(chain[1] for chain in chains)
        drawing += sum(chain[2] for chain in chains)
        read = np.stack([chain[0] for chain in chains])
        phi.append(read.mean(axis=-1, dtype=np.float64))
        differences.append(read.astype(np.float16))
        found.append(part.localization)
    return Drawn(np.stack(phi), np.stack(differences), np.array(found), setting_up, drawing)


def _chain(
    part: LocalPosterior, schedule: Schedule, seed: int, chain: int, item: Observable
) -> tuple[NDArray[np.float32], float, float]:
    """Differences at the draws of one chain, shape (draws, tokens), and CPU seconds until and from the first draw."""
    sampler, begun = SGLD(STEP / part.localization), time.process_time()
    blocks = run_chain(
        part, sampler, schedule, seed=seed, chain=chain, observables={"it": item},
        block_steps=schedule.num_burnin_steps,
    )  # fmt: skip
    next(blocks)
    burnt = time.process_time()
    read = np.concatenate([block.observed["it"] for block in blocks])
    return read, burnt - begun, time.process_time() - burnt


def responses(drawn: Drawn, n_beta: float = 0.0) -> list[Susceptibility]:
    """Respond, component by component; reweighted to an inverse temperature above that of the draws."""
    found = []
    for phi, differences in zip(drawn.phi, drawn.differences, strict=True):
        weights = importance_weights(phi, n_beta).weights if n_beta else None
        found.append(respond(phi, np.moveaxis(differences, 2, 0), weights=weights))
    return found


def log_amplitudes(drawn: Drawn) -> Floats:
    """Log amplitudes, shape (components, tokens)."""
    return np.stack([log_amplitude(np.moveaxis(losses, 2, 0)) for losses in drawn.differences])


def spreads(drawn: Drawn) -> Floats:
    """Log amplitudes of all tokens and components, on axes that both halves of the chains show."""
    whole, *parts = (log_amplitudes(each).T for each in (drawn, *drawn.halves))
    return reproducible_axes(whole, (parts[0], parts[1]))


def correlations(drawn: Drawn) -> Floats:
    """ρ of all tokens and components, prepared."""
    return prepare(np.column_stack([each.rho for each in responses(drawn)]))


def trust(drawn: Drawn, n_beta: float) -> dict[str, Any]:
    """How far the weights of a reweighting can be trusted, over components."""
    weights = [importance_weights(phi, n_beta) for phi in drawn.phi]
    return {
        "khat_median": round(float(np.median([each.khat for each in weights])), 2),
        "khat_largest": round(max(each.khat for each in weights), 2),
        "trusted": sum(each.verdict.name == "OK" for each in weights),
        "effective_draws_median": round(float(np.median([each.effective_draws for each in weights])), 1),
    }
