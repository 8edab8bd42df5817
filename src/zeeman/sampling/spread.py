"""The directions in which draws of the local posterior spread most: the flattest ones as noise sees them."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice

import torch

from zeeman.errors import ZeemanError
from zeeman.sampling.batched import better_together, run_chains
from zeeman.sampling.driver import ChainState, Schedule, run_chain
from zeeman.sampling.posterior import LocalPosterior
from zeeman.sampling.samplers import AnySampler


@dataclass(frozen=True, eq=False)
class Spread:
    """Principal directions of draws.

    Parameters
    ----------
    frame : Tensor of float64, shape (d, count)
        Orthonormal columns, the widest first.
    variances : Tensor, shape (count,)
        γ times the variance of the draws along them, 1/(1 + nβ h/γ) in a quadratic well of curvature h: 1 where the
        loss is flat and the chains are long.
    agreement : Tensor, shape (count,)
        Cosines of the principal angles between the subspaces that two halves of the chains give, the largest first.
    """

    frame: torch.Tensor
    variances: torch.Tensor
    agreement: torch.Tensor


def widest_directions(
    posterior: LocalPosterior, sampler: AnySampler, schedule: Schedule, count: int, *, seed: int, num_chains: int
) -> Spread:
    """Run chains and give the directions of largest variance of their draws.

    Of N draws X about their mean, the N × N matrix X Xᵀ is decomposed and not the d × d covariance, so any number of
    weights may move; what is held is N d numbers in the precision of the model. Directions are found if the spread
    along them stands out from the rest by more than √(d/N) of it; whether they are, two halves of the chains tell.

    Parameters
    ----------
    posterior : LocalPosterior
        With its nβ and γ.
    sampler : Sampler or MetropolisSampler
    schedule : Schedule
    count : int
    seed : int
    num_chains : int
        At least 2.

    Raises
    ------
    ZeemanError
        For too few chains or draws, or chains that leave the finite numbers.

    Examples
    --------
    >>> from zeeman.sampling import SGLD
    >>> well = LocalPosterior.potential(lambda w: 5 * (w[0] + w[1]) ** 2, torch.zeros(2), localization=1.0)
    >>> found = widest_directions(well, SGLD(1e-3), Schedule(50, 50, 20), 1, seed=0, num_chains=2)
    >>> found.frame.abs().round(decimals=1).tolist(), float(found.agreement[0]) > 0.99
    ([[0.7], [0.7]], True)
    """
    half = num_chains // 2
    if half < 1 or half * schedule.num_draws <= count or posterior.num_parameters < count:
        raise ZeemanError(
            f"expected 2 chains or more, of more than {count} draws, in {count} weights or more, got {num_chains} of "
            f"{schedule.num_draws} in {posterior.num_parameters}; ask for fewer directions or more draws."
        )
    draws = _draws(posterior, sampler, schedule, seed, num_chains)
    if not torch.isfinite(draws).all():
        raise ZeemanError("the chains left the finite numbers, so they show no directions: lower lr or n_beta.")
    first, second = (_principal(part.flatten(0, 1), count)[0] for part in (draws[:half], draws[half:]))
    frame, variances = _principal(draws.flatten(0, 1), count)
    cosines = torch.linalg.svdvals(first.T @ second).clamp_max(1.0)
    return Spread(frame, variances * posterior.localization, cosines)


def _draws(
    posterior: LocalPosterior, sampler: AnySampler, schedule: Schedule, seed: int, num_chains: int
) -> torch.Tensor:
    """Weights along the chains as vectors, shape (chains, draws, d)."""
    # A block as long as the spacing ends at each draw, but for what the burn-in leaves over.
    steps = schedule.num_steps_bw_draws
    first = -(-schedule.num_burnin_steps // steps)
    if better_together(posterior, sampler):
        together = run_chains(posterior, sampler, schedule, seed=seed, chains=range(num_chains), block_steps=steps)
        rows = [torch.stack([_flat(b.state) for b in blocks]) for blocks in islice(together, first, None)]
        return torch.stack(rows, dim=1)
    alone = []
    for chain in range(num_chains):
        blocks = run_chain(posterior, sampler, schedule, seed=seed, chain=chain, block_steps=steps)
        alone.append(torch.stack([_flat(block.state) for block in islice(blocks, first, None)]))
    return torch.stack(alone)


def _flat(state: ChainState) -> torch.Tensor:
    return torch.cat([part.reshape(-1) for part in state.weights])


def _principal(rows: torch.Tensor, count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Directions of largest variance of rows (N, d), and the variances."""
    rows = rows - rows.mean(0)
    values, vectors = torch.linalg.eigh((rows @ rows.T).double())
    leading = vectors[:, -count:].flip(1)
    frame, triangle = torch.linalg.qr((rows.T @ leading.to(rows.dtype)).double())
    return frame * triangle.diagonal().sign(), values[-count:].flip(0) / (len(rows) - 1)
