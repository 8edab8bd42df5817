"""Published normal forms of Arnold's classes, and coordinate changes to try on them."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

from hypothesis import strategies as st
from sympy import QQ
from sympy.polys.matrices import DomainMatrix
from sympy.polys.rings import PolyElement

from singularities.known import polynomials

TABLE: list[dict[str, Any]] = json.loads((Path(__file__).parent / "known_algebra.json").read_text())

# Arnold, Gusein-Zade, Varchenko: Singularities of Differentiable Maps I, part II; moduli set to numbers.
CLASSES = {
    "A1": "x**2 + y**2",
    "A2": "x**3 + y**2",
    "A4": "x**5 - y**2",
    "A7": "x**8 + y**2",
    "D4": "x**2*y + y**3",
    "D5": "x**2*y + y**4",
    "D8": "x**2*y + y**7",
    "E6": "x**3 + y**4",
    "E7": "x**3 + x*y**3",
    "E8": "x**3 + y**5",
    "P8": "x**3 + y**3 + z**3 + x*y*z",
    "X9": "x**4 + y**4 + x**2*y**2",
    "J10": "x**3 + x**2*y**2 + y**6",
    "T(2,3,7)": "x**3 + x**2*y**2 + y**7",
    "T(2,3,8)": "x**3 + x**2*y**2 - y**8",
    "T(2,4,5)": "x**4 + x**2*y**2 + y**5",
    "T(2,5,6)": "x**5 + x**2*y**2 + y**6",
    "T(2,6,6)": "(x**2 + y**2)**2 + x**6",
    "T(3,3,4)": "x**3 + y**3 + z**4 + x*y*z",
    "T(3,4,5)": "x**3 + y**4 + z**5 + x*y*z",
    "T(4,4,4)": "x**4 + y**4 + z**4 + x*y*z",
    "T(4,5,6)": "x**4 + y**5 + z**6 - x*y*z",
    "E12": "x**3 + y**7 + x*y**5",
    "E13": "x**3 + x*y**5 + y**8",
    "E14": "x**3 + y**8 + x*y**6",
    "Z11": "x**3*y + y**5 + x*y**4",
    "Z12": "x**3*y + x*y**4 + x**2*y**3",
    "Z13": "x**3*y + y**6 + x*y**5",
    "W12": "x**4 + y**5 + x**2*y**3",
    "W13": "x**4 + x*y**4 + y**6",
    "Q10": "x**3 + y**4 + y*z**2 + x*y**3",
    "Q11": "x**3 + y**2*z + x*z**3 + z**5",
    "Q12": "x**3 + y**5 + y*z**2 + x*y**4",
    "S11": "x**4 + y**2*z + x*z**2 + x**3*z",
    "S12": "x**2*y + y**2*z + x*z**3 + z**5",
    "U12": "x**3 + y**3 + z**4 + x*y*z**2",
    "J(3,0)": "x**3 + x**2*y**3 + y**9",
    "J(3,2)": "x**3 + x**2*y**3 + y**11",
    "Z(1,0)": "y*(x**3 + x**2*y**2 + y**6)",
    "Z(1,1)": "x**3*y + x**2*y**3 + y**8",
    "W(1,0)": "x**4 + x**2*y**3 + y**6",
    "W(1,2)": "x**4 + x**2*y**3 + y**8",
    "W#(1,1)": "(x**2 + y**3)**2 + x*y**5",
    "W#(1,2)": "(x**2 + y**3)**2 + x**2*y**4",
    "Q(2,0)": "x**3 + y*z**2 + x**2*y**2 + x*y**4",
    "Q(2,1)": "x**3 + y*z**2 + x**2*y**2 + y**7",
    "S(1,0)": "x**2*z + y*z**2 + y**5 + z*y**3",
    "S(1,1)": "x**2*z + y*z**2 + x**2*y**2 + y**6",
    "S#(1,1)": "x**2*z + y*z**2 + z*y**3 + x*y**4",
    "S#(1,2)": "x**2*z + y*z**2 + z*y**3 + x**2*y**3",
    "U(1,0)": "x**3 + x*z**2 + x*y**3 + y**3*z",
    "U(1,1)": "x**3 + x*z**2 + x*y**3 + y**2*z**2",
    "U(1,2)": "x**3 + x*z**2 + x*y**3 + y**4*z",
    "E18": "x**3 + y**10",
    "E19": "x**3 + x*y**7",
    "E20": "x**3 + y**11",
    "Z17": "x**3*y + y**8",
    "Z18": "x**3*y + x*y**6",
    "Z19": "x**3*y + y**9",
    "W17": "x**4 + x*y**5",
    "W18": "x**4 + y**7",
    "Q16": "x**3 + y*z**2 + y**7",
    "Q17": "x**3 + y*z**2 + x*y**5",
    "Q18": "x**3 + y*z**2 + y**8",
    "S16": "x**2*z + y*z**2 + x*y**4",
    "S17": "x**2*z + y*z**2 + y**6",
    "U16": "x**3 + x*z**2 + y**5",
}


def read(text: str) -> PolyElement:
    """A germ in x and y, or in x, y and z where z occurs."""
    return polynomials(["x", "y", "z"] if "z" in text else ["x", "y"], [text])[0]


def of_class(name: str) -> PolyElement:
    return read(CLASSES[name])


def expand(pairs: list[list[Any]]) -> list[Fraction]:
    """Numbers with their repetitions."""
    return [Fraction(value) for value, count in pairs for _ in range(count)]


@st.composite
def changed(draw: st.DrawFn, f: PolyElement, quadratic: bool = True) -> PolyElement:
    """F in other coordinates: an invertible linear change, and quadratic terms."""
    gens, size = f.ring.gens, f.ring.ngens
    entries = st.lists(st.integers(-2, 2), min_size=size, max_size=size)
    rows = draw(
        st.lists(entries, min_size=size, max_size=size).filter(
            lambda m: DomainMatrix([[QQ(e) for e in row] for row in m], (size, size), QQ).det() != 0
        )
    )
    images = [sum((c * x for c, x in zip(row, gens, strict=True)), f.ring.zero) for row in rows]
    if quadratic:
        pairs = st.tuples(st.integers(-1, 1), st.sampled_from(gens), st.sampled_from(gens))
        images = [image + c * a * b for image, (c, a, b) in zip(images, [draw(pairs) for _ in gens], strict=True)]
    return f.compose(list(zip(gens, images, strict=True)))


def with_squares(f: PolyElement, signs: list[int]) -> PolyElement:
    """F + Σ ± u_j² in more variables."""
    names = [*map(str, f.ring.symbols), *(f"u{j}" for j in range(len(signs)))]
    big = f.ring.clone(symbols=names)
    g = big.from_dict({(*e, *[0] * len(signs)): c for e, c in f.items()})
    return g + sum(s * u**2 for s, u in zip(signs, big.gens[f.ring.ngens :], strict=True))
