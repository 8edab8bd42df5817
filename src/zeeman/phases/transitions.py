"""Transitions: pulses of several readings at the same stretch of training."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from zeeman.errors import ZeemanError
from zeeman.phases.pulses import Pulse


@dataclass(frozen=True)
class Transition:
    """A stretch of training in which one or more readings change faster than before and after.

    Attributes
    ----------
    interval : tuple of int
        Steps between which it lies: the interval of the leading pulse.
    date : float
        Step of the leading pulse's half change.
    signals : mapping of str to Pulse
        The readings that took part, the most significant first.
    flagged : bool
        Whether the interval crosses a pair of checkpoints whose weights are in doubt.
    """

    interval: tuple[int, int]
    date: float
    signals: Mapping[str, Pulse]
    flagged: bool = False


def group(
    pulses: Mapping[str, Sequence[Pulse]],
    anchor: str | None = None,
    flagged: Iterable[tuple[int, int]] = (),
) -> list[Transition]:
    """Group the pulses of several signals that overlap into transitions.

    Every pulse of the anchor leads a transition of its own. The others come by falling z: each joins the transition
    whose leading pulse it overlaps the longest, or leads a new one. Only overlap with the leader counts, so that
    chains of neighbours do not merge what is far apart. If a signal has several pulses in one transition, the first
    by z speaks for it.

    Parameters
    ----------
    pulses : mapping of str to sequence of Pulse
    anchor : str, optional
        The signal that gives interval and date where it took part; elsewhere the pulse with the largest z does.
    flagged : iterable of (int, int)
        Pairs of neighbouring steps between which the series is in doubt.

    Returns
    -------
    list of Transition
        In order of date.

    Raises
    ------
    ZeemanError
        If the anchor is not among the signals.

    Examples
    --------
    >>> llc = Pulse(1500, 2100, (1500, 2200), 1780.0, 59.0, 1.2, 20.0, 0.96)
    >>> repeats = Pulse(1600, 1900, (1500, 1900), 1750.0, -3.0, 0.1, 31.0, 1.0)
    >>> (transition,) = group({"llc": [llc], "repeats": [repeats], "text": []}, anchor="llc", flagged=[(1900, 2000)])
    >>> transition.interval, transition.date, list(transition.signals), transition.flagged
    ((1500, 2200), 1780.0, ['repeats', 'llc'], True)
    """
    if anchor is not None and anchor not in pulses:
        raise ZeemanError(f"anchor must be one of the signals {', '.join(sorted(pulses))}, got {anchor!r}.")
    named = [(name, pulse) for name, found in pulses.items() for pulse in found]
    named.sort(key=lambda pair: (pair[0] != anchor, -pair[1].z))
    members: list[dict[str, Pulse]] = []
    leaders: list[Pulse] = []
    for name, pulse in named:
        shared = [_common_steps(pulse, leader) for leader in leaders]
        if name == anchor or max(shared, default=0) <= 0:
            leaders.append(pulse)
            members.append({name: pulse})
        else:
            members[shared.index(max(shared))].setdefault(name, pulse)
    edges = list(flagged)
    found = [_transition(leader, signals, edges) for leader, signals in zip(leaders, members, strict=True)]
    return sorted(found, key=lambda transition: transition.date)


def _common_steps(one: Pulse, other: Pulse) -> int:
    return min(one.end, other.end) - max(one.start, other.start)


def _transition(leader: Pulse, signals: Mapping[str, Pulse], edges: Sequence[tuple[int, int]]) -> Transition:
    low, high = leader.interval
    by_z = dict(sorted(signals.items(), key=lambda pair: -pair[1].z))
    return Transition(leader.interval, leader.date, by_z, any(low < late and early < high for early, late in edges))
