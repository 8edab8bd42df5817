"""Resolution of a plane curve germ over the complex numbers, as a graph, and the spectrum that it determines."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from fractions import Fraction
from math import ceil

from sympy import QQ, Poly, Symbol, rootof
from sympy.polys.rings import PolyElement, ring

from zeeman.singularities.series import homogeneous_part, order_of

CURVE = -1


@dataclass
class ResolutionGraph:
    """Dual graph of a resolution of f = 0, in which conjugate points are counted, not listed.

    Attributes
    ----------
    multiplicities
        N_i, the order of vanishing of f along the exceptional curve E_i.
    copies
        How many conjugates of E_i there are.
    edges
        Numbers of crossings, over all conjugates, of E_i with E_j; j = -1 stands for branches of the curve itself.
    """

    multiplicities: list[int] = field(default_factory=list)
    copies: list[int] = field(default_factory=list)
    edges: Counter[tuple[int, int]] = field(default_factory=Counter)

    @property
    def num_branches(self) -> int:
        """Number of complex branches of the curve."""
        return sum(count for (_, j), count in self.edges.items() if j == CURVE)

    @property
    def milnor_number(self) -> int:
        """μ = 1 - Σ N_i χ(E_i minus crossings), by A'Campo."""
        total = 1 - 2 * sum(n * c for n, c in zip(self.multiplicities, self.copies, strict=True))
        for (i, j), count in self.edges.items():
            total += count * (self.multiplicities[i] + (self.multiplicities[j] if j != CURVE else 0))
        return total

    def multiplicity_in_spectrum(self, alpha: Fraction) -> int:
        """Dimension of the spectrum at 0 < α < 1.

        Each E_i with α N_i whole contributes -1 + Σ_j ⟨α N_j⟩ over its neighbours, ⟨t⟩ being the part of t in (0, 1];
        each crossing of two of them takes away 1. That is χ(E, K_Y - ⌊(α-ε) f⌋), the number by which the multiplier
        ideal jumps at α (Budur 2003).
        """
        whole = [(alpha * n).denominator == 1 for n in self.multiplicities]
        total = Fraction(-sum(c for c, one in zip(self.copies, whole, strict=True) if one))
        for (i, j), count in self.edges.items():
            other = alpha if j == CURVE else alpha * self.multiplicities[j]
            if whole[i]:
                total += count * _upper_part(other)
            if j != CURVE and whole[j]:
                total += count * (_upper_part(alpha * self.multiplicities[i]) - whole[i])
        return int(total)

    def spectrum(self) -> list[Fraction]:
        """Spectral numbers in (0, 2), with repetitions: α < 1, the number 1 for all but one branch, and 2 - α."""
        candidates = {Fraction(k, n) for n in set(self.multiplicities) for k in range(1, n)}
        low = [alpha for alpha in sorted(candidates) for _ in range(self.multiplicity_in_spectrum(alpha))]
        return [*low, *[Fraction(1)] * (self.num_branches - 1), *(2 - alpha for alpha in reversed(low))]


def _upper_part(t: Fraction) -> Fraction:
    return t - ceil(t) + 1


def resolution_graph(f: PolyElement) -> ResolutionGraph | None:
    """Blow up points of a reduced plane curve through the origin until everything crosses normally.

    Parameters
    ----------
    f
        Polynomial in two variables over the rationals without repeated factor at the origin, critical there.

    Returns
    -------
    ResolutionGraph or None
        None if multiple points lie in a tower of number fields, which is not followed.

    Examples
    --------
    >>> from sympy import QQ, ring
    >>> _, x, y = ring("x,y", QQ)
    >>> graph = resolution_graph(x**3 + y**2)
    >>> graph.multiplicities, graph.milnor_number, [str(a) for a in graph.spectrum()]
    ([2, 3, 6], 2, ['5/6', '7/6'])
    """
    graph = ResolutionGraph()
    try:
        _blow_up(graph, f, (None, None), 1)
    except NotImplementedError:
        return None
    return graph


def _blow_up(graph: ResolutionGraph, f: PolyElement, axes: tuple[int | None, int | None], copies: int) -> None:
    """Blow up the origin, where x = 0 and y = 0 may be exceptional curves (given by their indices in ``axes``)."""
    order = order_of(f)
    new = len(graph.multiplicities)
    graph.multiplicities.append(order + sum(graph.multiplicities[a] for a in axes if a is not None))
    graph.copies.append(copies)
    _, y = f.ring.gens
    tangents = homogeneous_part(f, order)
    vertical = max(e for e in range(order + 1) if all(m[0] >= e for m in tangents))
    f_vertical = f.ring.from_dict({(a, a + b - order): c for (a, b), c in f.items()})
    _visit(graph, f_vertical, (axes[0], new), copies, vertical)
    f_other = f.ring.from_dict({(a + b - order, b): c for (a, b), c in f.items()})
    horizontal = max(e for e in range(order + 1) if all(m[1] >= e for m in tangents))
    _visit(graph, f_other, (new, axes[1]), copies, horizontal)
    t = Symbol("t")
    slopes = Poly(
        {(b - horizontal,): f.ring.domain.to_sympy(c) for (a, b), c in tangents.items()}, t, domain=f.ring.domain
    )
    for factor, power in slopes.factor_list()[1]:
        degree = factor.degree()
        if power == 1:
            graph.edges[new, CURVE] += copies * degree
        elif degree == 1:
            root = -f.ring.domain.from_sympy(factor.nth(0)) / f.ring.domain.from_sympy(factor.nth(1))
            _visit(graph, f_other.compose(y, y + root), (new, None), copies, power)
        elif f.ring.domain != QQ:
            raise NotImplementedError
        else:
            root = rootof(factor.as_expr(), 0)
            big, _, y1 = ring("x,y", QQ.algebraic_field(root))
            moved = f_other.set_ring(big).compose(y1, y1 + big.domain.from_sympy(root))
            _visit(graph, moved, (new, None), copies * degree, power)


def _visit(
    graph: ResolutionGraph, f: PolyElement, axes: tuple[int | None, int | None], copies: int, tangency: int
) -> None:
    """Look at one point of the newest curve: nothing there, a normal crossing, or a point to blow up."""
    new = max(a for a in axes if a is not None)
    old = min((a for a in axes if a is not None), default=new)
    if tangency == 0:
        if old != new:
            graph.edges[new, old] += copies
    elif tangency == 1 and old == new:
        graph.edges[new, CURVE] += copies
    else:
        _blow_up(graph, f, axes, copies)
