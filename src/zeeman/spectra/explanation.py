"""Why a setting was chosen, in sentences."""

from __future__ import annotations

from collections.abc import Sequence

from zeeman.spectra.calibration import Candidate, Objective, Pilot


def explain(
    chosen: Candidate,
    candidates: Sequence[Candidate],
    checks: Sequence[Pilot],
    lr: float,
    length: tuple[int, int, int],
    objective: Objective,
    coldest: float,
) -> list[str]:
    """Explain a choice.

    Parameters
    ----------
    chosen : Candidate
    candidates : sequence of Candidate
        All that were tried.
    checks : sequence of Pilot
        Chains at the setting itself.
    lr : float
    length : (int, int, int)
        Burn-in, spacing and draws.
    objective : Objective
    coldest : float
        Upper end for nβ.

    Returns
    -------
    list of str
        A sentence for ε, nβ, γ, the scale and the length, and one for what was not met.
    """
    read = [p for p in checks if not p.under and not p.lost]
    lines = [
        _step_size(lr, read, objective),
        _temperature(chosen, candidates, coldest),
        _localization(chosen, candidates, read),
        *_scale(read),
        f"Burn-in {length[0]} and {length[2]} draws {length[1]} steps apart on {objective.num_chains} chains follow "
        f"from the slowest relaxation, {length[1]} steps.",
    ]
    if chosen.objections:
        lines.append(f"No setting met every demand; this one comes nearest, but {'; '.join(chosen.objections)}.")
    return lines


def _step_size(lr: float, read: Sequence[Pilot], objective: Objective) -> str:
    heat = ", ".join(f"{p.bias:.1%} ± {p.bias_se:.1%} at step {p.step}" for p in read)
    text = f"lr {lr:g} is the largest step, of six a decade, whose heat keeps to {objective.bias:.1%} of the reading"
    return f"{text} at every checkpoint{': ' + heat if heat else ''}."


def _temperature(chosen: Candidate, candidates: Sequence[Candidate], coldest: float) -> str:
    text = f"n_beta {chosen.n_beta:g}, of n/log n = {coldest:.3g} by theory"
    colder = [c for c in candidates if c.n_beta > chosen.n_beta and c.objections]
    return f"{text}; at {colder[-1].n_beta:g} {'; '.join(colder[-1].objections)}." if colder else f"{text}."


def _localization(chosen: Candidate, candidates: Sequence[Candidate], read: Sequence[Pilot]) -> str:
    text = f"localization {chosen.localization:g}"
    if read:
        text += f" holds the chains {max(p.distance for p in read):.3g} away from the checkpoint"
    weaker = [c for c in candidates if c.n_beta == chosen.n_beta and c.localization < chosen.localization]
    return f"{text}; at {weaker[-1].localization:g} {'; '.join(weaker[-1].objections)}." if weaker else f"{text}."


def _scale(read: Sequence[Pilot]) -> list[str]:
    if not read:
        return []
    rises = (f"{p.llc / p.n_beta:.2g} at step {p.step} (var/mean {p.ratio:.2f} ± {p.ratio_se:.2f})" for p in read)
    return [
        f"The chains raise the loss by {', '.join(rises)}; var/mean is 1 in the asymptotic regime, which colder chains "
        "come nearer to at the price of smaller steps."
    ]
