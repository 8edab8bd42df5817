"""Who and what is meant: names, pronouns, variables, order, logic."""

from __future__ import annotations

import numpy as np

from zeeman.probes.builtin.items import Answer, Generator, Item, between, coin, draw, letters
from zeeman.probes.builtin.words import FEMALE, MALE


def ioi(rng: np.random.Generator, difficulty: int) -> Item:
    """Indirect objects: of two names one acts, so the other receives; then of three; then at a distance."""
    names = draw(rng, FEMALE + MALE, 3 if difficulty == 2 else 2)
    asked = between(rng, 0, len(names) - 1)
    actors = [name for index, name in enumerate(names) if index != asked]
    actors = [actors[index] for index in rng.permutation(len(actors))]
    joined = " and ".join(actors)
    between_them = " It was late and cold, and the park was closed." if difficulty == 3 else ""
    text = f"{', '.join(names[:-1])} and {names[-1]} met.{between_them} Then {joined} gave a key to "
    return [text, Answer(names[asked], rival=actors[-1]), ".\n"]


def coreference(rng: np.random.Generator, difficulty: int) -> Item:
    """A woman and a man, and a pronoun for one of them; then two of the one kind; then with a sentence between."""
    she = coin(rng)
    one, others = (FEMALE, MALE) if she else (MALE, FEMALE)
    (meant,) = draw(rng, one, 1)
    rest = draw(rng, others, 2 if difficulty == 2 else 1)
    order = [(meant, *rest)[index] for index in rng.permutation(1 + len(rest))]
    distance = " The rain did not stop for hours." if difficulty == 3 else ""
    text = f"{' and '.join(order)} ran.{distance} {'She' if she else 'He'} fell, that is "
    return [text, Answer(meant, rival=rest[0]), ".\n"]


def transitive(rng: np.random.Generator, difficulty: int) -> Item:
    """Comparisons of neighbours in an order, shuffled and turned around at random, and who stands first."""
    order = draw(rng, FEMALE + MALE, difficulty + 2)
    said = []
    for index in rng.permutation(len(order) - 1):
        high, low = order[index : index + 2]
        said.append(f"{high} > {low}" if coin(rng) else f"{low} < {high}")
    return [f"{', '.join(said)}: top ", Answer(order[0], rival=order[1]), "\n"]


def variables(rng: np.random.Generator, difficulty: int) -> Item:
    """Two variables with values, passed on in two chains as long as the difficulty, and the value at the end of one."""
    names = letters(rng, 2 * difficulty)
    values = [str(value) for value in rng.permutation(10)[:2]]
    lines = [f"{names[index]}={values[index]}" for index in range(2)]
    for link in range(1, difficulty):
        linked = [f"{names[2 * link + index]}={names[2 * link + index - 2]}" for index in range(2)]
        lines += linked if coin(rng) else linked[::-1]
    asked = between(rng, 0, 1)
    return [f"{' '.join(lines)} : {names[asked - 2]}=", Answer(values[asked], rival=values[1 - asked]), "\n"]


def negation(rng: np.random.Generator, difficulty: int) -> Item:
    """A truth value after some times not, and what it comes to."""
    value, times = coin(rng), between(rng, 0, 2**difficulty - 1)
    right, wrong = ("true", "false") if value ^ (times % 2 == 1) else ("false", "true")
    return [f"{'not ' * times}{'true' if value else 'false'} is ", Answer(right, rival=wrong), "\n"]


def membership(rng: np.random.Generator, difficulty: int) -> Item:
    """Letters, a letter, and whether it is among them."""
    drawn = letters(rng, (3, 6, 10)[difficulty - 1] + 1)
    inside = coin(rng)
    asked = drawn[between(rng, 0, len(drawn) - 2)] if inside else drawn[-1]
    right, wrong = ("yes", "no") if inside else ("no", "yes")
    return [f"{asked} in {' '.join(drawn[:-1])}: ", Answer(right, rival=wrong), "\n"]


def equality(rng: np.random.Generator, difficulty: int) -> Item:
    """Two strings, and whether they are the same; they may differ at one place after the first."""
    given = letters(rng, (2, 4, 8)[difficulty - 1] + 1)
    first, spare = given[:-1], given[-1]
    second, same = list(first), coin(rng)
    if not same:
        second[between(rng, 1, len(first) - 1)] = spare
    right, wrong = ("same", "other") if same else ("other", "same")
    return [f"{''.join(first)} {''.join(second)}: ", Answer(right, rival=wrong), "\n"]


GENERATORS: dict[str, Generator] = {
    "ioi": ioi,
    "coreference": coreference,
    "transitive": transitive,
    "variables": variables,
    "negation": negation,
    "membership": membership,
    "equality": equality,
}
