"""Minimal pairs: a question with its right answer, and the same with a wrong one."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from zeeman.errors import ZeemanError
from zeeman.probes.builtin.cards import GENERATORS, find_probes
from zeeman.probes.builtin.items import Answer, Item, flatten
from zeeman.probes.encoding import Encoder, Tokenizer, make_encoder
from zeeman.probes.probe import Probe

_Row = tuple[list[int], int]
"""Tokens, and the first of them that is scored."""


def minimal_pairs(
    name: str, tokenizer: Tokenizer = None, *, seed: int = 0, rows: int = 32, length: int = 128
) -> tuple[Probe, Probe]:
    """Make a probe of single questions with their right answers, and one of the same with wrong answers.

    Row by row the two agree up to the answer, which is scored from the first token on in which they differ, to the end
    of its line. A network prefers the right answer where
    the loss of the right row, summed over its scored tokens, is the smaller one; its score is the share of such rows.

    Parameters
    ----------
    name : str
        A built-in probe whose answers have a rival, such as ``"agreement-2"`` or ``"ioi-1"``.
    tokenizer, seed, rows, length
        As for `builtin_library`. Rows are as long as the longest question, at most ``length`` tokens; what follows an
        answer is not scored.

    Returns
    -------
    right, wrong : Probe
        Named ``name.right`` and ``name.wrong``.

    Raises
    ------
    ZeemanError
        If there is no such probe, its answers have no rival, or a question is longer than ``length``.

    Examples
    --------
    >>> right, wrong = minimal_pairs("agreement-1", rows=4)
    >>> bool(right.scored[0].any()), bool((right.inputs == wrong.inputs).all())
    (True, False)
    """
    found = find_probes([name])
    if name not in found:
        raise ZeemanError(f"{name!r} is no single probe; choose one of {', '.join(found)}.")
    card, level = found[name]
    encoder = make_encoder(tokenizer)
    rng = np.random.default_rng([seed, *name.encode()])
    pairs = [_pair(name, GENERATORS[card.name](rng, level), encoder) for _ in range(rows)]
    longest = max(len(tokens) for pair in pairs for tokens, _ in pair)
    if longest > length:
        raise ZeemanError(f"probe {name}: a question has {longest} tokens; ask for rows of at least so many.")
    rights, wrongs = ([pair[side] for pair in pairs] for side in (0, 1))
    tags = (card.concept, card.name)
    return (
        Probe(f"{name}.right", *_arrays(rights, longest), tags),
        Probe(f"{name}.wrong", *_arrays(wrongs, longest), tags),
    )


def _pair(name: str, item: Item, encoder: Encoder) -> tuple[_Row, _Row]:
    """Cut an item after its last answer that has a rival, and encode it with either; both end with their line."""
    last = max((at for at, part in enumerate(item) if isinstance(part, Answer) and part.rival), default=None)
    if last is None:
        raise ZeemanError(f"the answers of probe {name} have no rival, so that it makes no minimal pairs.")
    answer = item[last]
    assert isinstance(answer, Answer)
    before, _ = flatten(item[:last])
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
