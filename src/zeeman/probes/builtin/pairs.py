"""Minimal pairs: questions with their right answers, each against a wrong one."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from zeeman.errors import ZeemanError
from zeeman.probes.builtin.cards import GENERATORS, find_probes
from zeeman.probes.builtin.items import Answer, Item, flatten
from zeeman.probes.encoding import Encoder, Tokenizer, make_encoder
from zeeman.probes.foils import Foils
from zeeman.probes.probe import Probe

_TRIES = 20
_Row = tuple[list[int], int]
"""Tokens, and the first of them that is scored."""


def minimal_pairs(name: str, tokenizer: Tokenizer = None, *, seed: int = 0, rows: int = 32, length: int = 128) -> Probe:
    """Make a probe of single questions, whose right answers must beat wrong ones.

    A row and its foil agree up to the answer, which is scored from the first token on in which the two differ, to the
    end of its line. The behaviour is the share of rows in which the right answer is the likelier one, by the sum of its
    scored tokens; half by chance.

    Parameters
    ----------
    name : str
        A built-in probe whose answers have a rival, such as ``"agreement-2"`` or ``"ioi-1"``.
    tokenizer, seed, rows, length
        As for `builtin_library`. Rows are as long as the longest question, at most ``length`` tokens; what follows an
        answer is not scored.

    Returns
    -------
    Probe
        Named ``name.pairs``, with the metric ``choice``.

    Raises
    ------
    ZeemanError
        If there is no such probe, its answers have no rival, or a question is longer than ``length``.

    Examples
    --------
    >>> pairs = minimal_pairs("agreement-1", rows=4)
    >>> pairs.metric, bool((pairs.inputs == pairs.foils.inputs).all())
    ('choice', False)
    """
    found = find_probes([name])
    if name not in found:
        raise ZeemanError(f"{name!r} is no single probe; choose one of {', '.join(found)}.")
    card, _ = found[name]
    encoder = make_encoder(tokenizer)
    rng = np.random.default_rng([seed, *name.encode()])
    pairs = [_pair(*_question(name, rng), encoder) for _ in range(rows)]
    longest = max(len(tokens) for pair in pairs for tokens, _ in pair)
    if longest > length:
        raise ZeemanError(f"probe {name}: a question has {longest} tokens; ask for rows of at least so many.")
    rights, wrongs = ([pair[side] for pair in pairs] for side in (0, 1))
    foils = Foils(*_arrays(wrongs, longest), np.arange(rows))
    return Probe(
        f"{name}.pairs", *_arrays(rights, longest), (card.concept, card.name), "choice", foils=foils, chance=0.5
    )


def has_rivals(name: str) -> bool:
    """Whether a built-in probe makes minimal pairs: not where any other answer could be told without the concept."""
    try:
        _question(name, np.random.default_rng(0))
    except ZeemanError:
        return False
    return True


def _question(name: str, rng: np.random.Generator) -> tuple[str, Answer]:
    """What stands before the last answer of an item that has a rival; some items have none by accident."""
    card, level = find_probes([name])[name]
    for _ in range(_TRIES):
        item: Item = GENERATORS[card.name](rng, level)
        for at, part in reversed(list(enumerate(item))):
            if isinstance(part, Answer) and part.rival:
                return flatten(item[:at])[0], part
    raise ZeemanError(f"the answers of probe {name} have no rival, so that it makes no minimal pairs.")


def _pair(before: str, answer: Answer, encoder: Encoder) -> tuple[_Row, _Row]:
    """Encode a question with either answer; both end with their line."""
    cuts = [0, len(before) - before.endswith(" ")]
    right, wrong = (
        encoder.encode(text, [*cuts, len(text)])[0]
        for text in (f"{before}{answer.text}\n", f"{before}{answer.rival}\n")
    )
    # Tokens are scored from the first on in which the two differ: those before cost both the same.
    first = next(at for at, pair in enumerate(zip(right, wrong, strict=False)) if pair[0] != pair[1])
    return (right, first), (wrong, first)


def _arrays(rows: list[_Row], length: int) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Fill rows up with their last token, which no scored token sees."""
    inputs, scored = np.empty((len(rows), length), np.int64), np.zeros((len(rows), length), np.bool_)
    for row, (tokens, first) in enumerate(rows):
        inputs[row] = tokens + [tokens[-1]] * (length - len(tokens))
        scored[row, first : len(tokens)] = True
    return inputs, scored
