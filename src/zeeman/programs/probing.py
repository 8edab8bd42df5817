"""From the jets of a program to a probe: which inputs notice which errors, and how their loss falls as β grows."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from zeeman.errors import ZeemanError
from zeeman.probes import Probe
from zeeman.programs.corner import Exponents, optimum
from zeeman.programs.machine import Machine
from zeeman.programs.runs import TuringProgram
from zeeman.programs.singularity import Singularity
from zeeman.programs.syndromes import error_syndromes, packing
from zeeman.programs.unnoticed import order_along


def seen_by(machine: Machine, words: Sequence[str]) -> dict[str, list[Exponents]]:
    """List the error syndromes that each word notices: the monomials that its loss is comparable to.

    Parameters
    ----------
    machine : Machine
        Its own inputs do not matter.
    words : sequence of str

    Returns
    -------
    dict of word to list of exponents
        In the coordinates of the machine.

    Raises
    ------
    ZeemanError
        If a word is not of the machine's alphabet, or notices too many to list.

    Examples
    --------
    >>> from zeeman.programs.catalogue import latch
    >>> {word: len(syndromes) for word, syndromes in seen_by(latch(), ["AA", "AB", "BA", "BB"]).items()}
    {'AA': 6, 'AB': 8, 'BA': 3, 'BB': 2}
    """
    return {word: _syndromes(asked(machine, [word])) for word in words}


def asked(machine: Machine, words: Sequence[Sequence[str]]) -> Machine:
    """The same code with other inputs."""
    return dataclasses.replace(machine, inputs=tuple(tuple(word) for word in words))


def _syndromes(machine: Machine) -> list[Exponents]:
    program = TuringProgram(machine)
    monomials, complete = error_syndromes(program)
    if not complete:
        raise ZeemanError("an input has too many error syndromes to list; ask for fewer steps.")
    return [packing(program).exponents(monomial) for monomial in monomials]


def telling_words(seen: dict[str, list[Exponents]], found: Singularity, sees: Exponents, blind: Exponents) -> list[str]:
    """Find the words that notice one arc of errors before the data of the program does, and another not before it.

    A probe on such words is blind to the second component of the jets and sees the first: added to the data it would
    close the first and leave the second as it is.

    Parameters
    ----------
    seen : dict of word to syndromes
        As from `seen_by`.
    found : Singularity
        Of the program on its data.
    sees, blind : exponents
        Components, as from `unnoticed_arcs`.

    Examples
    --------
    >>> from zeeman.programs import TuringProgram, singularity
    >>> from zeeman.programs.catalogue import latch
    >>> from zeeman.programs.unnoticed import unnoticed_arcs
    >>> found, seen = singularity(TuringProgram(latch(["AA", "BB"]))), seen_by(latch(), ["AA", "AB", "BA", "BB"])
    >>> first, second, third = unnoticed_arcs(found, 1)
    >>> telling_words(seen, found, sees=first, blind=second)
    ['AB']
    """

    def early(syndromes: list[Exponents], arc: Exponents) -> bool:
        return bool(syndromes) and order_along(syndromes, arc) < order_along(found.syndromes, arc)

    return [word for word, syndromes in seen.items() if early(syndromes, sees) and not early(syndromes, blind)]


@dataclass(frozen=True)
class Decay:
    """⟨φ⟩ ~ β^−exponent (log β)^log_power.

    Parameters
    ----------
    exponent : Fraction
        λ_φ − λ.
    log_power : int
        m_φ − m.
    """

    exponent: Fraction
    log_power: int


def decay(found: Singularity, syndromes: Sequence[Exponents]) -> Decay:
    r"""How the expected loss of a probe falls with the inverse temperature β of chains that feel the data alone.

    .. math:: \langle \varepsilon^b \rangle_\beta = \frac{\int \varepsilon^b e^{-\beta K} d\varepsilon}
        {\int e^{-\beta K} d\varepsilon} \sim \beta^{-(\lambda_b - \lambda)} (\log \beta)^{m_b - m}

    with (λ_b, m_b) of the same linear program for the density ε^b, min Σ_i (1 + b_i) w_i. The loss φ of a probe is
    comparable to the sum of its syndromes ε^b, so that the slowest of them decides. 0 means that the data does not
    hold the errors that the probe asks for; 1 that it holds them as it holds its own.

    Parameters
    ----------
    found : Singularity
        Of the program on its data.
    syndromes : sequence of exponents
        Of the probe, as from `seen_by`.

    Returns
    -------
    Decay

    Raises
    ------
    ZeemanError
        If the syndromes of the program are not all known, or there are none of the probe.

    Examples
    --------
    >>> from zeeman.programs import TuringProgram, singularity
    >>> from zeeman.programs.catalogue import latch, refresh
    >>> for make in (latch, refresh):
    ...     found = singularity(TuringProgram(make(["AA", "BB"])))
    ...     print(decay(found, seen_by(make(), ["AB"])["AB"]).exponent)
    1/2
    0
    """
    if not found.complete or not syndromes:
        raise ZeemanError("expected a program and a probe with all their error syndromes; choose ones that can err.")
    solved = [optimum(found.syndromes, {k: Fraction(n) for k, n in b.items()}) for b in syndromes]
    terms = [(one.value - found.corner.value, found.corner.multiplicity - one.multiplicity) for one in solved]
    exponent, power = min(terms)
    return Decay(exponent, -power)


def word_probe(name: str, machine: Machine, words: Sequence[str]) -> Probe:
    """Ask a network for what the machine answers, as the last token of a row.

    Tokens are the letters of the alphabet and then the states, by number; shorter words are filled with blanks, as the
    tape is. A word that comes twice counts twice: a list of words is a distribution of inputs.

    Parameters
    ----------
    name : str
    machine : Machine
    words : sequence of str

    Raises
    ------
    ZeemanError
        If there is no word, or one is not of the machine's alphabet.

    Examples
    --------
    >>> from zeeman.programs.catalogue import latch
    >>> word_probe("told-apart", latch(), ["AB", "B"]).inputs.tolist()
    [[0, 1, 3], [1, 1, 2]]
    """
    inputs = asked(machine, words).inputs
    longest = max(map(len, inputs))
    letters = [(*word, *[machine.blank] * (longest - len(word))) for word in inputs]
    rows = [
        [*map(machine.alphabet.index, word), len(machine.alphabet) + machine.states.index(machine.run(word))]
        for word in letters
    ]
    scored = np.zeros((len(rows), longest + 1), bool)
    scored[:, -1] = True
    return Probe(name, np.array(rows), scored)
