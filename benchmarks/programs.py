"""Write docs/programs.md: the singularities of the catalogue, and what each says about its algorithm.

Usage: python -m benchmarks.programs
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from pathlib import Path

from zeeman.programs import Automaton, Singularity, singularity
from zeeman.programs.catalogue import Entry, entries, voted_parity, words_up_to
from zeeman.programs.wording import in_words, price, syndrome_in_words

PAGE = Path(__file__).parents[1] / "docs" / "programs.md"
BUDGET = 3_000_000

HEAD = """# Programs as singularities

Every figure here is exact and made by `python -m benchmarks.programs`; `zeeman program FILE.json` does the same for a
machine of yours. A program is a table of right entries; a weight is the probability of a wrong one. K = −mean log p(the
right answer), and λ says how fast the volume of tables with K < ε shrinks with ε: it is the fractional number of
independent ways to spoil an answer. *Syndromes* are the smallest sets of errors that change an answer; λ is the linear
program min Σ w subject to Σ w ≥ 1 over each syndrome, m = 1 + the dimension of its solutions.

Three conventions give different numbers, and λ means nothing without its own: **corner**, K as above with errors ≥ 0;
**corner²**, Σ_x z_x² on the same corner (half of it), z_x being the probability of a wrong answer; **open²**, Σ z²
where errors of either sign may cancel. “–” is not decided. All are local: at the code, not over all codes that compute
the same.

The last number is λ for each entry that can spoil an answer at all: 1 where each spoils one alone, ½ where two must
err together. From a machine to its jets and to a probe, step by step: [worked.md](worked.md).
"""


def main() -> None:
    found = {entry: singularity(entry.program, BUDGET) for entry in entries()}
    parts = [
        HEAD,
        "## The catalogue",
        table(found),
        "## What the rows say",
        *readings(found),
        voting(),
        modules(),
        sample(found),
    ]
    PAGE.write_text("\n\n".join(part.strip() for part in parts) + "\n")
    print(PAGE.read_text())


def markdown(titles: Iterable[str], lines: Iterable[Iterable[object]]) -> str:
    titles = list(titles)
    body = [titles, ["---"] * len(titles), *([str(cell) for cell in line] for line in lines)]
    return "\n".join("| " + " | ".join(line) + " |" for line in body)


def table(found: dict[Entry, Singularity]) -> str:
    titles = ["program", "d", "syndromes by order", "corner λ", "m", "corner²", "open²", "rank", "λ an entry"]
    return markdown(titles, [row(entry, one) for entry, one in found.items()])


def row(entry: Entry, one: Singularity) -> list[object]:
    orders = ", ".join(f"{order}: {count}" for order, count in one.orders().items())
    squares, each = one.squares, price(one)
    return [
        entry.name,
        one.dimension,
        orders if one.complete else f"{orders}, …",
        one.corner.value,
        one.corner.multiplicity,
        one.corner_squares,
        "–" if squares.value is None else squares.value,
        squares.hessian_rank,
        "–" if each is None else f"{float(each):.2f}",
    ]


def readings(found: dict[Entry, Singularity]) -> list[str]:
    """Programs of one function stand together, the most singular first."""
    parts = []
    ranked = sorted(found.items(), key=lambda one: (one[0].function, one[1].corner.value))
    for function, group in itertools.groupby(ranked, key=lambda one: one[0].function):
        lines = [f"**{function[0].upper()}{function[1:]}?**" if function != "halt" else "**Halts**", ""]
        for entry, one in group:
            lines.append(f"- *{entry.name}* ({entry.story}): λ = {one.corner.value}. {in_words(one)}")
        parts.append("\n".join(lines))
    return parts


def voting() -> str:
    lines = []
    for k in range(5):
        copies = 2 * k + 1
        one = singularity(voted_parity(copies, words_up_to("AB", 2)), 40 * BUDGET)
        squares = one.squares
        lines.append([copies, one.dimension, k + 1, one.corner.value, one.corner.multiplicity, squares.hessian_rank,
                      f"{float(one.corner.value / one.dimension):.3f}"])  # fmt: skip
    titles = ["copies", "d", "errors to spoil a step", "corner λ", "m", "rank", "λ/d"]
    return f"""## Error correction is degeneracy

Parity by a finite automaton each of whose four lines is looked up in r = 2k + 1 tables of their own, by majority. A
step fails when k + 1 copies err: all syndromes are of order k + 1, the Hessian vanishes, and λ = 4r/(k + 1) stays below
8 while d = 4r grows.

{markdown(titles, lines)}

More redundancy makes λ larger but λ/d = 1/(k + 1) smaller: what a code of distance k + 1 protects is flat to that
order.

Other ways to correct errors show in the catalogue. The latch costs no more at four steps than at two: new entries can
spoil an answer then, but only together with one that is paid for already. Refresh corrects what it found before, since
it looks anew, but its lines must then be right at the last step, which makes more entries fatal alone."""


def wheel(size: int, longest: int) -> Automaton:
    states = [str(k) for k in range(size)]
    code = [("A", str(k), str((k + 1) % size)) for k in range(size)] + [("B", q, q) for q in states]
    return Automaton.build(states, "AB", "0", code, words_up_to("AB", longest))


def modules() -> str:
    whole, *parts = (singularity(wheel(size, 7), BUDGET) for size in (6, 2, 3))
    both = sum(part.corner.value for part in parts)
    faces = 1 + sum(part.corner.multiplicity - 1 for part in parts)
    lines = [
        ["one wheel of six states", whole.dimension, whole.corner.value, whole.corner.multiplicity],
        ["a wheel of two and a wheel of three", sum(p.dimension for p in parts), both, faces],
    ]
    return f"""## Modularity

The number of A modulo 6, in words of up to seven letters: by one automaton, or by two that do not know of each other
and whose answers are read together (6 = 2 · 3). The probability of a right answer is then a product, K a sum over
entries that are not shared, so that λ and m − 1 add up.

{markdown(["algorithm", "d", "corner λ", "m"], lines)}

The same function, and a λ that is smaller by what the modules need not know: a free energy prefers the modules by
{whole.corner.value - both} log n. Within one program a line that several inputs read is paid for once; what a second
input adds is only what it can spoil beyond that."""


def sample(found: dict[Entry, Singularity]) -> str:
    entry, one = next(iter(found.items()))
    lines = [f"- {syndrome_in_words(one.named(a))}" for a in one.syndromes]
    return f"""## A list of syndromes: {entry.name}

Each line is a smallest set of errors that changes the answer to some input.

""" + "\n".join(lines)


if __name__ == "__main__":
    main()
