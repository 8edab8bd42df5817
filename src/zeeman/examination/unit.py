"""A unit: the smallest piece of measurement, known by the hash of everything that determines it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields, replace
from functools import cached_property
from typing import Any, Literal, get_args

from zeeman.errors import ZeemanError
from zeeman.sampling import (
    BAOAB,
    HMC,
    MALA,
    SGLD,
    AnySampler,
    PreconditionedSGLD,
    RMSPropSGLD,
    Schedule,
    Unloaded,
    check_number,
)

SAMPLER_VERSION = 4
"""Raised whenever the numbers that a unit holds would come out different."""

Kind = Literal["reference", "loaded", "unloaded", "curvature", "ablation"]
Method = Literal["sgld", "rmsprop_sgld", "preconditioned_sgld", "baoab", "mala", "hmc"]


@dataclass(frozen=True)
class SamplerSettings:
    """How chains are run; one setting serves a whole series.

    Parameters
    ----------
    lr, n_beta, localization : float
        Step size ε, inverse temperature nβ and localization γ.
    num_chains, num_draws, num_burnin_steps, num_steps_bw_draws : int
        Length of the chains, in devinterp's names.
    batch_size : int
        Rows of data a step.
    method : {"sgld", "rmsprop_sgld", "preconditioned_sgld", "baoab", "mala", "hmc"}
        What adapts (a metric, or the step size of MALA and HMC) does so in the burn-in and stays from there on. MALA
        and HMC need a ``batch_size`` of all the rows.
    seed : int

    Raises
    ------
    ZeemanError
        For numbers that make no sense.

    Examples
    --------
    >>> SamplerSettings(num_draws=10, num_burnin_steps=5, num_steps_bw_draws=3).schedule.num_steps
    35
    """

    lr: float = 5e-4
    n_beta: float = 100.0
    localization: float = 100.0
    num_chains: int = 4
    num_draws: int = 40
    num_burnin_steps: int = 75
    num_steps_bw_draws: int = 3
    batch_size: int = 32
    method: Method = "sgld"
    seed: int = 0

    def __post_init__(self) -> None:
        check_number("lr", self.lr, zero=False)
        check_number("n_beta", self.n_beta, zero=False)
        check_number("localization", self.localization, zero=True)
        for name, low in (("num_chains", 2), ("batch_size", 1), ("seed", 0)):
            if getattr(self, name) < low:
                raise ZeemanError(f"{name} must be at least {low}, got {getattr(self, name)}; choose a larger one.")
        if self.method not in get_args(Method):
            raise ZeemanError(
                f"method must be one of {', '.join(get_args(Method))}, got {self.method!r}; choose one of them."
            )
        _ = self.schedule, self.sampler

    @property
    def schedule(self) -> Schedule:
        """Length of one chain."""
        return Schedule(self.num_draws, self.num_burnin_steps, self.num_steps_bw_draws)

    @property
    def sampler(self) -> AnySampler:
        """The sampler of loaded chains."""
        made: dict[Method, Callable[[], AnySampler]] = {
            "sgld": lambda: SGLD(self.lr),
            "rmsprop_sgld": lambda: RMSPropSGLD(self.lr),
            "preconditioned_sgld": lambda: PreconditionedSGLD(self.lr, self.num_burnin_steps),
            "baoab": lambda: BAOAB(self.lr),
            "mala": lambda: MALA(self.lr, self.num_burnin_steps),
            "hmc": lambda: HMC(self.lr, self.num_burnin_steps),
        }
        return made[self.method]()

    @property
    def gradients_a_step(self) -> int:
        """Gradients that one step of a loaded chain costs on average."""
        sampler = self.sampler
        return (sampler.num_leapfrog + 1) // 2 if isinstance(sampler, HMC) else 1


@dataclass(frozen=True)
class Unit:
    """One chain of one component at one checkpoint, or the losses or the curvature at the checkpoint itself.

    Parameters
    ----------
    kind : {"reference", "loaded", "unloaded", "curvature", "ablation"}
        Forward passes at w*; a chain that feels the loss; draws at nβ = 0; the Lanczos process of the Hessian at w*;
        forward passes at w* with the contribution of each head and MLP replaced by its mean.
    step : int
    weights : str
        Digest of the checkpoint.
    component : str
    chain : int
        For curvature: which probe vector.
    settings : SamplerSettings or None
        None for a reference and for curvature.
    data : str
        Digest of the data that the chain feels, or whose Hessian it is.
    observed : tuple of (str, str)
        Names and digests of what is read at each draw.
    matched : tuple of str
        For unloaded draws: chain keys of the loaded units whose mean energy the draws are to have.
    lanczos_steps : int
        For curvature: steps of the Lanczos process.
    start : (int, str) or None
        For loaded chains: step and digest of the checkpoint whose weights they begin at, where that is said; they are
        held to those of ``step`` all the same. None: they begin there too.
    """

    kind: Kind
    step: int
    weights: str
    component: str = "full"
    chain: int = 0
    settings: SamplerSettings | None = None
    data: str = ""
    observed: tuple[tuple[str, str], ...] = ()
    matched: tuple[str, ...] = ()
    lanczos_steps: int = 0
    start: tuple[int, str] | None = None

    @cached_property
    def key(self) -> str:
        """Hash of everything that determines what the unit holds: of the walk, then of what is observed along it."""
        return self.key_of(SAMPLER_VERSION)

    def key_of(self, version: int) -> str:
        """The key that some version of the samplers gives."""
        return f"{_hash(self._walk(version))[:24]}-{_hash({'observed': self.observed})[:8]}"

    @cached_property
    def chain_key(self) -> str:
        """Hash of all that determines the walk itself, whatever is observed along it."""
        return _hash(self._walk(SAMPLER_VERSION))[:24]

    @cached_property
    def walk_key(self) -> str:
        """Hash that units share whose walks are parts of one another: they differ in their number of draws alone."""
        walk = self._walk(SAMPLER_VERSION)
        if self.settings:
            walk["settings"].pop("num_draws")
        return _hash(walk)[:24]

    def _walk(self, version: int) -> dict[str, Any]:
        content: dict[str, Any] = {field.name: getattr(self, field.name) for field in fields(self)}
        content |= {"observed": (), "sampler_version": version}
        for name in ("lanczos_steps", "start"):
            if not content[name]:
                content.pop(name)  # so that keys are those of before there was such a field
        if self.settings:
            # A chain does not depend on how many others there are.
            content["settings"] = {k: v for k, v in asdict(self.settings).items() if k != "num_chains"}
        return content

    @property
    def schedule(self) -> Schedule:
        """Length of the chain; unloaded draws are independent, so they need no burn-in and no spacing."""
        assert self.settings is not None
        return self.settings.schedule if self.kind == "loaded" else Schedule(self.settings.num_draws)

    @property
    def sampler(self) -> AnySampler:
        """Sampler of the chain."""
        assert self.settings is not None
        return self.settings.sampler if self.kind == "loaded" else Unloaded()

    def __str__(self) -> str:
        """Say what the unit is, for progress and messages."""
        heat = f" at n_beta {self.settings.n_beta:g}" if self.settings and self.kind == "loaded" else ""
        heat += f" from step {self.start[0]}" if self.start else ""
        chain = (
            ""
            if self.kind in ("reference", "ablation")
            else f", {self.component}, {self.kind}{heat}, chain {self.chain}"
        )
        return f"step {self.step}{', ablations' if self.kind == 'ablation' else chain}"


def _hash(content: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def union(units: list[Unit]) -> list[Unit]:
    """Merge what several devices need: chains that differ only in what is observed become one.

    Examples
    --------
    >>> a = Unit("reference", 0, "w", observed=(("text", "1"),))
    >>> b = Unit("reference", 0, "w", observed=(("digits", "2"),))
    >>> [u.observed for u in union([a, b])]
    [(('digits', '2'), ('text', '1'))]
    """
    merged: dict[str, Unit] = {}
    for unit in units:
        held = merged.get(unit.chain_key)
        observed = set(unit.observed) | set(held.observed if held else ())
        merged[unit.chain_key] = replace(unit, observed=tuple(sorted(observed)))
    return list(merged.values())
