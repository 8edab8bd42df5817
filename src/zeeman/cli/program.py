"""``zeeman program``: a Turing machine's code as a singular point of its loss."""

from __future__ import annotations

import json as codec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zeeman.cli.app import Json, app, print_json, print_table
from zeeman.errors import ZeemanError

if TYPE_CHECKING:
    from zeeman.programs import Machine, Singularity


@app.command
def program(file: Path, /, *, json: Json = False) -> None:
    """Find the learning coefficient of a Turing machine's code under errors, exactly, with its error syndromes.

    Each entry of the code's tables may err. K is small where errors leave the answers as they are; λ says how fast the
    volume of such tables shrinks. Entries are named read|state|table|outcome with the tables w (write), q (next state)
    and d (move).

    Parameters
    ----------
    file
        JSON with the fields states, alphabet, blank, start, code (lines of read, state, write, next state, move),
        inputs, steps and relaxation (joint: the exact Markov chain; naive: independent squares, state and head).
    """
    from zeeman.programs import Machine, TuringProgram, singularity

    machine = Machine.read(_content(file))
    found = singularity(TuringProgram(machine))
    if json:
        print_json(_document(found))
    else:
        _tell(machine, found)


def _content(file: Path) -> Any:
    try:
        return codec.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ZeemanError(f"can't read {file}: {error.strerror or error}.") from None
    except (ValueError, RecursionError) as error:
        raise ZeemanError(f"{file} is not JSON: {error}.") from None


def _document(found: Singularity) -> dict[str, Any]:
    squares = found.squares
    return {
        "dims": found.dimension,
        "hessian_rank": squares.hessian_rank,
        "rlct_corner": str(found.corner.value),
        "multiplicity_corner": found.corner.multiplicity,
        "rlct_corner_sq": str(found.corner_squares),
        "rlct_open_sq": None if squares.value is None else str(squares.value),
        "multiplicity_open_sq": squares.multiplicity,
        "how_open_sq": squares.how,
        "optimal_weights": [[name, str(weight)] for name, weight in found.weights().items()],
        "packing": [[found.named(syndrome), str(share)] for syndrome, share in found.corner.packing],
        "syndromes": [found.named(syndrome) for syndrome in found.syndromes] if found.complete else None,
    }


def _tell(machine: Machine, found: Singularity) -> None:
    told = f"{len(machine.states)} states, {len(machine.alphabet)} letters, {machine.steps} steps"
    words = f"{len(machine.inputs)} inputs ({len(machine.distinct)} that it can tell apart)"
    print(f"{told}, {words}, {machine.relaxation} relaxation: {found.dimension} entries can err.")
    squares = found.squares
    value = "not decided" if squares.value is None else str(squares.value)
    rows = [
        ["−mean log p, errors ≥ 0", str(found.corner.value), str(found.corner.multiplicity), "error syndromes"],
        ["Σ z², errors ≥ 0", str(found.corner_squares), str(found.corner.multiplicity), "half of it"],
        ["Σ z², errors of any sign", value, str(squares.multiplicity or "–"), squares.how],
    ]
    print_table(("loss", "λ", "m", "by"), rows)
    print(f"The Hessian of Σ z² has rank {squares.hessian_rank}.")
    if not found.complete:
        print("There are too many error syndromes to list; λ and m are exact nevertheless.")
    else:
        orders = ", ".join(f"{count} of order {order}" for order, count in found.orders().items())
        print(f"Error syndromes: {orders or 'none'}; {found.inert} entries are in none of them.")
        weights = found.weights()
        lines = [[_power(named), _order(named, weights)] for named in map(found.named, found.syndromes[:40])]
        print_table(("syndrome", "order along the optimal weights"), lines)
        if len(found.syndromes) > len(lines):
            print(f"… and {len(found.syndromes) - len(lines)} more, with --json.")
    print_table(("entry", "weight"), [[name, str(weight)] for name, weight in found.weights().items()])


def _power(named: Any) -> str:
    return " · ".join(name if power == 1 else f"({name})^{power}" for name, power in named)


def _order(named: Any, weights: dict[str, Any]) -> str:
    return str(sum(power * weights.get(name, 0) for name, power in named))
