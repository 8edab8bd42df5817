"""Compare the exact invariants of isolated germs with those of the Singular program, on random germs.

    python benchmarks/singular_check.py [NUMBER] [SEED]

Singular is taken from $SINGULAR or PATH. Compared are the Milnor and Tjurina number, the spectrum (gmssing.lib) and the
roots of the local Bernstein polynomial, where both programs give them.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
import time
from collections import Counter
from fractions import Fraction
from pathlib import Path

from sympy import QQ, ring
from sympy.polys.rings import PolyElement

from zeeman.singularities.ade import classify
from zeeman.singularities.bernstein import bernstein_roots
from zeeman.singularities.local_algebra import milnor_number, tjurina_number
from zeeman.singularities.spectrum import spectrum

SCRIPT = """LIB "sing.lib"; LIB "gmssing.lib";
ring r = 0,({variables}),ds; poly f = {polynomial};
int mu = milnor(f); print("MU:" + string(mu)); print("TAU:" + string(tjurina(f)));
if (mu > 0) {{ list s = spectrum(f); print("SPECTRUM:" + string(s[1]) + ";" + string(s[2]));
{bernstein} }} quit;
"""
BERNSTEIN = 'list b = bernstein(f); print("BERNSTEIN:" + string(b[1]) + ";" + string(b[2]));'


def singular(f: PolyElement, with_bernstein: bool, timeout: float = 3) -> dict[str, str]:
    """What Singular says, by tag."""
    program = os.environ.get("SINGULAR") or shutil.which("Singular")
    if program is None:
        raise SystemExit("Singular was not found; put it on PATH or into $SINGULAR.")
    text = str(f.as_expr()).replace("**", "^")
    variables = ",".join(map(str, f.ring.symbols))
    script = SCRIPT.format(variables=variables, polynomial=text, bernstein=BERNSTEIN if with_bernstein else "")
    try:
        done = subprocess.run([program, "-q", "--no-rc"], input=script.encode(), capture_output=True, timeout=timeout)
        said = done.stdout
    except subprocess.TimeoutExpired as late:
        said = late.stdout or b""
    lines = [line for line in said.decode().splitlines() if ":" in line and line.split(":")[0].isupper()]
    return {"MU": "", "TAU": ""} | dict(line.split(":", 1) for line in lines)


def numbers(text: str, shift: int = 0) -> Counter[Fraction]:
    """Values with multiplicities, from two lists of Singular."""
    values, counts = text.split(";")
    return Counter({Fraction(v) + shift: int(c) for v, c in zip(values.split(","), counts.split(","), strict=True)})


def random_germ(rng: random.Random) -> PolyElement:
    """A polynomial of two to four variables with few terms, some after a change of coordinates."""
    size = rng.choice([2, 2, 3, 3, 4])
    big = ring("x,y,z,w"[: 2 * size - 1], QQ)[0]
    f = big.zero
    for x in big.gens:
        f += rng.choice([-2, -1, 1, 1, 3]) * x ** rng.choice([2, 3, 3, 4, 4, 5, 6, 7] if size < 4 else [2, 2, 2, 3, 4])
    for _ in range(rng.randint(0, 4)):
        degree = rng.randint(2, 6)
        monomial = big.one
        for _ in range(degree):
            monomial *= rng.choice(big.gens)
        f += rng.choice([-2, -1, 1, 1, 2]) * monomial
    if rng.random() < 0.3:
        f = f.compose(big.gens[0], big.gens[0] + rng.choice([-1, 1]) * big.gens[1])
    if rng.random() < 0.2:
        f = f.compose(big.gens[-1], big.gens[-1] + rng.choice([-1, 1]) * big.gens[0] ** 2)
    return f


def compare(f: PolyElement) -> dict[str, object]:
    """One row: what zeeman says, whether Singular agrees."""
    start = time.process_time()
    mu, tau, found, roots, seen = milnor_number(f), tjurina_number(f), spectrum(f), bernstein_roots(f), classify(f)
    row: dict[str, object] = {"germ": str(f), "class": seen.name, "mu": mu, "tau": tau}
    row |= {"seconds": round(time.process_time() - start, 3), "spectrum": None if found is None else len(found)}
    other = singular(f, roots is not None)
    if other["TAU"]:
        row["mu_agrees"] = int(other["MU"]) == (-1 if mu is None else mu)
        row["tau_agrees"] = int(other["TAU"]) == (-1 if tau is None else tau)
    if found and "SPECTRUM" in other:
        row["spectrum_agrees"] = numbers(other["SPECTRUM"], 1) == Counter(found)
    if roots and "BERNSTEIN" in other:
        row["bernstein_agrees"] = numbers(other["BERNSTEIN"]) == Counter(roots)
    return row


def main() -> None:
    number, seed = [int(a) for a in [*sys.argv[1:], *["200", "0"][len(sys.argv) - 1 :]]]
    rng = random.Random(seed)
    rows: list[dict[str, object]] = []
    failed: list[dict[str, str]] = []
    while len(rows) + len(failed) < number:
        f = random_germ(rng)
        try:
            rows.append(compare(f))
        except Exception as error:
            failed.append({"germ": str(f), "error": f"{type(error).__name__}: {error}"})
    summary: dict[str, object] = {
        key: Counter(str(row.get(key)) for row in rows)
        for key in ("mu_agrees", "tau_agrees", "spectrum_agrees", "bernstein_agrees")
    }
    summary["classes"] = Counter(str(row["class"]) for row in rows)
    summary["seconds_max"] = max(float(str(row["seconds"])) for row in rows)
    wrong = [row for row in rows if any(row.get(key) is False for key in row)]
    unknown = [row for row in rows if row["mu"] and row["spectrum"] is None]
    result = {"number": number, "seed": seed, "summary": summary, "disagree": wrong}
    result |= {"no_spectrum": unknown, "failed": failed}
    Path(__file__).with_suffix(".json").write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n")
    print(json.dumps(summary, indent=1), *wrong, *failed, f"no spectrum: {len(unknown)}", sep="\n")


if __name__ == "__main__":
    main()
