"""Find one sampler setting for a whole series by short pilot chains."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from zeeman.errors import ZeemanError
from zeeman.examination.pilots import Pilots
from zeeman.examination.subject import Subject
from zeeman.examination.unit import SamplerSettings
from zeeman.reading import Verdict
from zeeman.sampling import LocalPosterior
from zeeman.spectra.calibration import Candidate, Objective, Pilot, chain_length, next_lr, objections, round_lr
from zeeman.spectra.explanation import explain

LOCALIZATIONS = (10.0, 30.0, 100.0, 300.0, 1000.0, 3000.0)
TEMPERATURES = (10.0, 30.0, 100.0, 300.0, 1000.0, 3000.0, 10000.0, 30000.0)
START = 100.0
"""γ and nβ at which the walk begins, in the middle of what the field uses."""
_TRIES, _SMALLEST = 8, 1e-12


@dataclass(frozen=True, eq=False)
class Calibration:
    """A setting with the pilots that it rests on.

    Parameters
    ----------
    settings : SamplerSettings
    objective : Objective
    verdict : Verdict
        Of chains run from the checkpoints at this very setting; the worst of them, less a third of the checkpoints
        where the chains find lower loss.
    reasons : tuple of str
        Sentences.
    pilots : tuple of Pilot
        In the order in which they ran.
    candidates : tuple of Candidate
    checks : tuple of Pilot
        From a cold start at the setting chosen, one a checkpoint.
    gradient_steps : int
        What calibration cost.
    num_checkpoints : int
        Of the series that the setting serves.
    """

    settings: SamplerSettings
    objective: Objective
    verdict: Verdict
    reasons: tuple[str, ...]
    pilots: tuple[Pilot, ...]
    candidates: tuple[Candidate, ...]
    checks: tuple[Pilot, ...]
    gradient_steps: int
    num_checkpoints: int = 1

    @property
    def share_of_examination(self) -> float:
        """Cost of the calibration over that of the learning coefficients of the series at its setting."""
        schedule = self.settings.schedule
        return self.gradient_steps / (self.num_checkpoints * self.settings.num_chains * schedule.num_steps)

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON and for the picture."""
        return {
            "settings": asdict(self.settings),
            "objective": asdict(self.objective),
            "verdict": self.verdict.name.lower(),
            "sentence": self.verdict.value,
            "reasons": list(self.reasons),
            "gradient_steps": self.gradient_steps,
            "pilots": [p.as_dict() for p in self.pilots],
            "candidates": [
                {
                    "n_beta": c.n_beta,
                    "localization": c.localization,
                    "lr": c.lr,
                    "objections": list(c.objections),
                    "pilots": [p.as_dict() for p in c.pilots],
                }
                for c in self.candidates
            ],
            "checks": [p.as_dict() for p in self.checks],
        }


def calibrate(
    posteriors: Mapping[int, LocalPosterior],
    objective: Objective | None = None,
    *,
    coldest: float,
    n_beta: float | None = None,
    localization: float | None = None,
    lr: float | None = None,
    seed: int = 0,
    limit: int | None = None,
    on_progress: Callable[[int, int], None] = lambda *_: None,
) -> Calibration:
    """Choose ε, nβ and γ for posteriors around several checkpoints, so that one setting serves them all.

    For a pair (nβ, γ) the step size is the largest on a grid of six a decade at which the heat of step and minibatch
    (`force_excess`) stays within the bias budget at every checkpoint. The walk begins at nβ = γ = 100 and goes colder
    as long as chains stay local, level off, stand above the minibatch's noise and cost no more than a reading may; it
    goes hotter where they do not. γ is the smallest tried, from 100 up, at which they do. Everything is decided by
    figures of the chains and none by a clock, so that the same seed makes the same choice.

    Parameters
    ----------
    posteriors : mapping of int to LocalPosterior
        By training step; their own nβ and γ are not used.
    objective : Objective or None
    coldest : float
        Upper end for nβ, n/log n by theory.
    n_beta, localization : float or None
        Where given, they are kept.
    lr : float or None
        Step size of the first pilot; by default 0.03/γ.
    seed : int
    limit : int or None
        Gradient steps after which no further pair is tried.
    on_progress : callable
        Told of gradient steps done, and of the limit.

    Returns
    -------
    Calibration

    Raises
    ------
    ZeemanError
        If no checkpoint is near a minimum, or chains are lost at every step size.
    """
    pilots = Pilots(dict(posteriors), objective or Objective(), seed, limit or 10**9, lr, on_progress)
    start = n_beta if n_beta is not None else min(START, float(f"{coldest:.1g}"))
    cold = [n_beta] if n_beta is not None else _scale(TEMPERATURES, start, coldest)
    hot = [] if n_beta is not None else [t for t in reversed(TEMPERATURES) if t < start]
    soft = [localization] if localization is not None else [g for g in LOCALIZATIONS if g >= START]
    chosen = _walk(pilots, cold, soft)
    if chosen is None:
        chosen = next((c for t in hot if (c := _walk(pilots, [t], soft))), None)
    return _conclude(pilots, chosen or _least_bad(pilots), coldest)


def _scale(grid: Sequence[float], start: float, end: float) -> list[float]:
    """Values of the grid from start to end, and the end itself where the grid stops short of it by much."""
    kept = [start, *(t for t in grid if start < t <= end)]
    return [*kept, float(f"{end:.2g}")] if end > 1.5 * kept[-1] else kept


def _walk(pilots: Pilots, temperatures: Sequence[float], localizations: Sequence[float]) -> Candidate | None:
    """Go colder as long as some γ will do, and come back with the last pair that did."""
    chosen: Candidate | None = None
    for n_beta in temperatures:
        found = None
        for localization in [g for g in localizations if chosen is None or g >= chosen.localization][:3]:
            if pilots.spent and pilots.candidates:
                return chosen
            found = _try(pilots, n_beta, localization, chosen)
            if not found.objections:
                break
        if found is None or found.objections:
            return chosen
        chosen = found
    return chosen


def _try(pilots: Pilots, n_beta: float, localization: float, before: Candidate | None) -> Candidate:
    """Find the step size that serves every checkpoint at one (nβ, γ), latest checkpoint first."""
    lr = pilots.lr or round_lr(0.03 / max(localization, 1e-6))
    if before is not None:
        lr = round_lr(before.lr * before.n_beta / n_beta * min(1.0, before.localization / localization))
    last: dict[int, Pilot] = {}
    for step in sorted(pilots.posteriors, reverse=True):
        last[step], lr = _settle(pilots, step, lr, n_beta, localization, may_grow=not last)
        if not last[step].under and abs(last[step].drift) > 50:
            break  # far from settled: the other checkpoints need not be asked
    found = tuple(last[step] for step in sorted(last))
    candidate = Candidate(n_beta, localization, lr, found, tuple(objections(found, lr, pilots.objective)))
    pilots.candidates.append(candidate)
    return candidate


def _settle(
    pilots: Pilots, step: int, lr: float, n_beta: float, localization: float, *, may_grow: bool
) -> tuple[Pilot, float]:
    """Walk ε at one checkpoint until the heat fits the budget; only the first checkpoint may raise it."""
    ceiling = math.inf if may_grow else lr
    tried: dict[float, Pilot] = {}
    for _ in range(_TRIES):
        pilot = tried[lr] = pilots.run(step, lr, n_beta, localization)
        if pilot.lost:
            ceiling = min(ceiling, lr)
        wanted = next_lr(pilot, pilots.objective.bias)
        if pilot.lost and wanted < _SMALLEST:
            break
        wanted = min(wanted, ceiling) if not pilot.lost else wanted
        if wanted in tried or wanted == lr:
            return pilot, min(wanted, lr)
        lr = wanted
    if pilot.lost:
        raise ZeemanError(
            f"the chains at step {step} left the finite numbers at every lr from {max(tried):g} down to {lr:g}, "
            f"n_beta {n_beta:g}; check that the loss is finite near the checkpoint, or give a smaller lr to start with."
        )
    return pilot, lr


def _least_bad(pilots: Pilots) -> Candidate:
    """Give what has the fewest objections, where none has none, unless there is nothing to read at all."""
    if all(p.under for c in pilots.candidates for p in c.pilots):
        raise ZeemanError(
            "expected a checkpoint near a minimum, but at every one tried (steps "
            f"{', '.join(map(str, sorted(pilots.posteriors)))}) chains find lower loss than the checkpoint's own; "
            "train longer, or name a series that reaches later steps."
        )
    readable = [c for c in pilots.candidates if any(not p.under for p in c.pilots)]
    return min(readable, key=lambda c: (len(c.objections), -c.n_beta))


def _conclude(pilots: Pilots, chosen: Candidate, coldest: float) -> Calibration:
    """Set the lengths, run the chosen setting from the checkpoints, and lower ε once more if it proves too hot."""
    objective = pilots.objective
    fit = [p for p in chosen.pilots if not p.under and not p.lost]
    lr = chosen.lr
    for last in (False, False, True):
        settings = _settings(pilots, chosen, lr, chain_length(fit, lr, objective))
        checks = {step: pilots.check(step, settings) for step in sorted(pilots.posteriors)}
        seen = [pilot for pilot, _, _ in checks.values() if not pilot.under]
        hot = max((math.inf if p.lost else p.bias - p.bias_se for p in seen), default=0.0)
        if hot <= objective.bias or last:
            break
        lr = round_lr(lr * (0.9 if math.isfinite(hot) else 0.3))
    # Chains from a cold start have seen more than pilots: the slowest of all sets the lengths.
    length = chain_length([*fit, *(p for p in seen if not p.lost)], lr, objective)
    settings = _settings(pilots, chosen, lr, length)
    verdict = _verdict([v for _, v, _ in checks.values()])
    figures = [pilot for pilot, _, _ in checks.values()]
    reasons = explain(chosen, pilots.candidates, figures, lr, length, objective, coldest)
    reasons += [
        f"At step {s} the verdict is {v.name.lower()}: {'; '.join(r)}."
        for s, (_, v, r) in checks.items()
        if v is not Verdict.TOO_FEW_DRAWS and r
    ]
    return Calibration(
        settings,
        objective,
        verdict,
        tuple(reasons),
        tuple(pilots.done),
        tuple(pilots.candidates),
        tuple(figures),
        pilots.steps,
    )


def _settings(pilots: Pilots, chosen: Candidate, lr: float, length: tuple[int, int, int]) -> SamplerSettings:
    posterior = next(iter(pilots.posteriors.values()))
    burn_in, spacing, draws = length
    return SamplerSettings(
        lr=lr,
        n_beta=chosen.n_beta,
        localization=chosen.localization,
        num_chains=pilots.objective.num_chains,
        num_draws=draws,
        num_burnin_steps=burn_in,
        num_steps_bw_draws=spacing,
        batch_size=posterior.batch_size or posterior.num_rows,
        seed=pilots.seed,
    )


def _verdict(found: Sequence[Verdict]) -> Verdict:
    """Give the first that is not OK; a third of the checkpoints may lie above lower loss, as early ones do."""
    below = [v for v in found if v is Verdict.BELOW_REFERENCE]
    # Two short chains are less than a reading: that they hold few draws is no fault of the setting.
    mild = (Verdict.OK, Verdict.TOO_FEW_DRAWS, Verdict.BELOW_REFERENCE)
    others = [v for v in found if v not in mild]
    if others:
        return others[0]
    return Verdict.BELOW_REFERENCE if len(below) > len(found) // 3 else Verdict.OK


def calibrate_series(
    subject: Subject,
    objective: Objective | None = None,
    *,
    n_beta: float | None = None,
    localization: float | None = None,
    lr: float | None = None,
    batch_size: int = 32,
    seed: int = 0,
    on_progress: Callable[[int, int], None] = lambda *_: None,
) -> Calibration:
    """Calibrate on the first checkpoint near a minimum, the last, and the one half-way between them.

    Parameters
    ----------
    subject : Subject
    objective : Objective or None
    n_beta, localization, lr : float or None
        As for `calibrate`; the upper end of nβ is n/log n with n the scored tokens of the data.
    batch_size : int
    seed : int
    on_progress : callable

    Returns
    -------
    Calibration

    Raises
    ------
    ZeemanError
        As for `calibrate`, and for a batch that is larger than the data.
    """
    subject.check()
    objective = objective or Objective()
    data = subject.library.data
    num = int(data.scored[:, 1:].sum())
    chosen = {
        step: subject.posterior(subject.series.at(step), "full", batch_size=batch_size)
        for step in _steps(subject, batch_size, seed)
    }
    # An eighth of the least that examining the series costs, its learning coefficients; short series need three pairs.
    share = len(subject.series) * objective.steps // 8
    found = calibrate(
        chosen,
        objective,
        coldest=max(num / math.log(num), 10.0),
        n_beta=n_beta,
        localization=localization,
        lr=lr,
        seed=seed,
        limit=max(share, 6 * len(chosen) * objective.steps // objective.num_chains),
        on_progress=on_progress,
    )
    return replace(found, num_checkpoints=len(subject.series))


def _steps(subject: Subject, batch_size: int, seed: int) -> list[int]:
    """Pick steps: the first of three early ones at which chains do not fall below the checkpoint, middle and last."""
    steps = list(subject.series.steps)
    last = len(steps) - 1
    for first in dict.fromkeys((0, last // 4, last // 2)):
        posterior = subject.posterior(subject.series.at(steps[first]), "full", batch_size=batch_size)
        pilot = Pilots({0: posterior}, Objective(steps=240), seed, 0, None, lambda *_: None)
        if not pilot.run(0, round_lr(0.03 / START), START, START).under:
            break
    return sorted({steps[first], steps[(first + last) // 2], steps[last]})
