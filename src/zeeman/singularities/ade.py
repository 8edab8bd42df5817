"""Arnold's classification of critical points: ADE, unimodal and bimodal germs in any coordinates, with real forms."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from sympy.polys.rings import PolyElement

from zeeman.singularities.corank_three import recognize_ternary
from zeeman.singularities.corank_two import recognize_binary
from zeeman.singularities.local_algebra import milnor_number, residual
from zeeman.singularities.normal_forms import Recognition, milnor_number_of, real_sign
from zeeman.singularities.series import order_of
from zeeman.singularities.splitting_lemma import germ, is_critical, split


@dataclass(frozen=True)
class Classification:
    """Class of a critical point at the origin, up to changes of coordinates.

    Attributes
    ----------
    name
        ``A5``, ``D4``, ``E6``, ``P8``, ``X9``, ``J10``, ``T(2,5,5)``, ``E12``, ``W#(1,2)``, …: complex class after
        Arnold, to which any number of squares may be added; ``A0`` if the origin is not critical; None if it is not
        isolated or beyond the lists.
    real_form
        The name with the signs that no reflection of coordinates removes, as ``D4-`` for x²y - y³, ``A3+`` for x⁴, or
        with the number of real lines or branches where a parameter moves them.
    corank
        Number of variables minus the rank of the Hessian.
    signature
        Numbers of positive and negative squares in the Hessian; None if the origin is not critical.
    milnor_number
        μ, None if infinite.
    modality
        Number of continuous parameters of the classes nearby.
    determinacy
        A degree whose terms determine the class.
    certificate
        One sentence: what was seen.
    """

    name: str | None
    real_form: str | None
    corank: int
    signature: tuple[int, int] | None
    milnor_number: int | None
    modality: int | None
    determinacy: int | None
    certificate: str

    @property
    def extremum(self) -> str:
        """``minimum``, ``maximum``, ``saddle``, or ``unknown`` where neither signature nor leading form tells.

        Examples
        --------
        >>> from sympy import QQ, ring
        >>> _, x, y = ring("x,y", QQ)
        >>> classify(x**4 + y**2).extremum, classify(x * y).extremum
        ('minimum', 'saddle')
        """
        positive, negative = self.signature or (1, 1)
        if (positive and negative) or self.real_form is None:
            return "saddle" if positive and negative else "unknown"
        if self.corank == 0:
            return "minimum" if positive else "maximum"
        tail = self.real_form.removeprefix(str(self.name))
        if self.corank == 1 or self.name == "X9":
            up, down = tail in ("+", "++") and not negative, tail in ("-", "--") and not positive
            return "minimum" if up else "maximum" if down else "saddle"
        has_cubic_part = self.real_form[0] in "DEJPQSU" or self.real_form.startswith(("T(2,3", "T(3", "T(4"))
        return "saddle" if has_cubic_part or self.corank == 3 else "unknown"


@lru_cache(maxsize=256)
def classify(f: PolyElement) -> Classification:
    """Name the class of the critical point of f at the origin.

    The splitting lemma leaves a germ in as many variables as the corank, known up to a degree that determines it. Its
    leading form is brought to a normal form over the rationals, whatever it can absorb is absorbed, and the class is
    read off the orders of what is left (Arnold's determinator). Multiple lines of a leading form are rational wherever
    there is one of their kind; where they are conjugate, symmetry takes the place of coordinates. The Milnor number,
    computed on its own, must be that of the class; otherwise the class is not named.

    Parameters
    ----------
    f
        Polynomial over the rationals; its constant term does not matter.

    Raises
    ------
    Undecided
        If it cannot be decided whether the critical point is isolated.

    Examples
    --------
    >>> from sympy import QQ, ring
    >>> _, x, y, z = ring("x,y,z", QQ)
    >>> found = classify((x + y) ** 2 * y - y**3 + z**2)
    >>> found.name, found.real_form, found.signature, found.modality
    ('D4', 'D4-', (1, 0), 0)
    >>> classify(x**2 * y**2 + z**2).certificate
    'the critical point is not isolated; the Hessian has corank 2.'
    """
    f = germ(f)
    if not is_critical(f):
        return Classification("A0", "A0", 0, None, 0, 0, 1, "the gradient does not vanish: the origin is not critical.")
    mu, found = milnor_number(f), residual(f)
    if mu is None or found is None:
        first = split(f, 2)
        sentence = f"the critical point is not isolated; the Hessian has corank {first.corank}."
        return Classification(None, None, first.corank, first.signature, None, None, None, sentence)
    seen = _recognize(found.germ, mu)
    name, real_form = seen.name, seen.real_form
    sentence = f"corank {found.corank}, μ = {mu}, {found.order}-determined: {seen.reason}."
    if name is not None and milnor_number_of(name) != mu:
        sentence = f"{sentence[:-1]}; but {name} has another Milnor number, so that the class is not named."
        name, real_form = None, None
    modality = seen.modality if name else None
    return Classification(name, real_form, found.corank, found.signature, mu, modality, found.order, sentence)


def _recognize(g: PolyElement | None, mu: int) -> Recognition:
    if g is None:
        return Recognition("A1", "A1", 0, "the Hessian is not degenerate")
    if g.ring.ngens == 1:
        power = order_of(g)
        name = f"A{power - 1}"
        return Recognition(name, name + real_sign([((power,), g[(power,)])]), 0, f"the first power left is {power}")
    if g.ring.ngens == 2:
        return recognize_binary(g, mu)
    if g.ring.ngens == 3:
        return recognize_ternary(g, mu)
    return Recognition(None, None, None, "classes of corank 4 and more have no list")
