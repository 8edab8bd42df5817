"""A second opinion on complex invariants from the program Singular, where it is installed."""

from __future__ import annotations

import re
import shutil
import subprocess
from fractions import Fraction
from typing import Any

from zeeman.errors import ZeemanError
from zeeman.singularities.polynomials import Germ, Ideal

SECONDS = 60
SCRIPT = """
LIB "sing.lib"; LIB "gmssing.lib";
ring R = 0, ({variables}), ds;
poly f = {polynomial};
int mu = milnor(f);
print("MU:" + string(mu));
print("TAU:" + string(tjurina(f)));
if (mu > 0) {{ list s = spectrum(f); print("SPECTRUM:" + string(s[1]) + "|" + string(s[2])); }}
quit;
"""


def second_opinion(target: Germ | Ideal) -> dict[str, Any]:
    """Ask Singular for μ, τ and the spectrum of a germ.

    Raises
    ------
    ZeemanError
        Where Singular is not on PATH, does not answer in time, or an ideal is given.
    """
    program = shutil.which("Singular")
    if program is None:
        raise ZeemanError("expected the program Singular on PATH for a check, found none; leave out --check.")
    if isinstance(target, Ideal):
        raise ZeemanError("expected one polynomial for a check by Singular, got an ideal; leave out --check.")
    names = {name: f"v({i + 1})" for i, name in enumerate(target.variables)}
    text = re.sub(r"[A-Za-z_]\w*", lambda m: names.get(m[0], m[0]), str(target)).replace("**", "^")
    script = SCRIPT.format(variables=", ".join(names.values()), polynomial=text)
    try:
        done = subprocess.run(
            [program, "-q", "--no-rc"], input=script, capture_output=True, text=True, timeout=SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        raise ZeemanError(f"Singular did not answer within {SECONDS} s; leave out --check.") from None
    return _read(done.stdout)


def _read(output: str) -> dict[str, Any]:
    """Numbers from tagged lines; infinite ones, which Singular prints as -1, are None.

    Examples
    --------
    >>> _read(" MU:-1 ")
    {'milnor_number': None}
    """
    tags = dict(line.strip().split(":", 1) for line in output.splitlines() if re.match(r"\s*[A-Z]+:", line))
    found: dict[str, Any] = {
        key: None if int(tags[tag]) < 0 else int(tags[tag])
        for key, tag in (("milnor_number", "MU"), ("tjurina_number", "TAU"))
        if tag in tags
    }
    if "SPECTRUM" in tags:
        numbers, counts = (part.split(",") for part in tags["SPECTRUM"].split("|"))
        listed = [[str(Fraction(a) + 1)] * int(k) for a, k in zip(numbers, counts, strict=True)]
        found["spectrum"] = [a for one in listed for a in one]
    return found
