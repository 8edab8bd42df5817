"""The order ladder of a germ: the effective potential along arcs, beside what weights and jets of its class say."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from functools import reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sympy import QQ, ring

from zeeman.errors import ZeemanError
from zeeman.singularities.jets import jet_fibre_components
from zeeman.singularities.normal_forms import normal_form
from zeeman.singularities.weights import weights
from zeeman.spectra import (
    ArcOrder,
    GermPosterior,
    Taylor,
    arc_bound,
    arc_order,
    arc_points,
    arc_weights,
    jet_codimension,
    sheet_chart,
)

Array = NDArray[np.float64]
Weights = tuple[int, ...]
Measure = Callable[[Array], tuple[Array, float]]
"""Values (groups of rows, points) of the effective potential at points in radii, and their noise."""

SCALES: Array = np.exp2(-0.5 * np.arange(8)).astype(np.float64)
DIRECTIONS = {1: 2, 2: 4}
MANY_DIRECTIONS = 8
LARGEST_WEIGHT = {1: 1, 2: 3}
LARGEST_JETS = 5
NEWTON_STEPS = 8


def class_weights(name: str, num_variables: int) -> tuple[Weights, int] | None:
    """Whole weights k of a class, the flattest direction first, and the order d = k·a of its terms; None where unknown.

    Examples
    --------
    >>> class_weights("A3", 2), class_weights("E6", 2), class_weights("D4", 3)
    (((1, 2), 4), ((3, 4), 12), ((2, 2, 3), 6))
    """
    try:
        found = weights(normal_form(name))
    except ZeemanError:
        return None
    if found is None or len(found) > num_variables:
        return None
    q = sorted([*found, *[Fraction(1, 2)] * (num_variables - len(found))])
    order = reduce(math.lcm, (one.denominator for one in q))
    return tuple(int(one * order) for one in q), order


def measure_arcs(measure: Measure, taylor: Taylor, germ: GermPosterior) -> tuple[ArcOrder, ...]:
    """Read the order of the effective potential along arcs on the critical sheet of the likeliest class.

    Where nothing is flat (A1) the arcs start at the critical point itself, if it lies in the ball.

    Parameters
    ----------
    measure : callable
    taylor : Taylor
    germ : GermPosterior

    Returns
    -------
    tuple of ArcOrder
        For the weights of the class, and for small whole weights that rise from the flattest direction on.
    """
    n = len(germ.split.frame)
    known = class_weights(germ.name, n)
    tried = list(dict.fromkeys([*([known[0]] if known else []), *arc_weights(n, LARGEST_WEIGHT.get(n, 2))]))
    chart, found = sheet_chart(germ.split), []
    start = np.zeros(n) if germ.split.corank else _critical_point(taylor)
    for k in tried:
        arcs = arc_points(k, SCALES, DIRECTIONS.get(n, MANY_DIRECTIONS))
        points = start + chart(np.concatenate([np.zeros((1, n)), arcs.reshape(-1, n)]))
        values, noise = measure(points)
        above = (values[:, 1:] - values[:, :1]).reshape(len(values), *arcs.shape[:2])
        found.append(arc_order(k, SCALES, above, noise))
    return tuple(found)


def arcs_document(orders: tuple[ArcOrder, ...], name: str) -> dict[str, Any]:
    """Lay out an order ladder with what the class says, as plain data."""
    n = len(orders[0].weights)
    known, bound = class_weights(name, n), arc_bound(orders)
    jets = {
        str(m): {"measured": jet_codimension(orders, m), "class": _class_codimension(name, n, m)}
        for m in range(1, min(known[1] - 1, LARGEST_JETS) + 1 if known else 0)
    }
    return {
        "orders": [
            {
                "weights": list(one.weights),
                "order": one.order,
                "standard_error": one.standard_error,
                "scales": list(one.scales),
                "class_order": _class_order(name, known, one.weights),
                "verdict": one.verdict.name.lower(),
                "reasons": list(one.reasons),
            }
            for one in orders
        ],
        "bound": {"value": bound.value, "standard_error": bound.standard_error, **bound.coordinates},
        "class_bound": None if known is None else sum(known[0]) / known[1],
        "jet_codimensions": jets,
    }


def _critical_point(taylor: Taylor) -> Array:
    """Where the gradient of the polynomial vanishes, by Newton's steps; the centre if they leave the ball."""
    ring, at = taylor.ring, np.zeros(taylor.num_variables)
    slopes = [ring.derivative(taylor.coefficients, i) for i in range(len(at))]
    curvature = [ring.derivative(slope, j) for slope in slopes for j in range(len(at))]
    for _ in range(NEWTON_STEPS):
        here = ring.values(at[None])[0]
        hessian = (np.stack(curvature) @ here).reshape(len(at), len(at))
        at = at - np.linalg.lstsq(hessian, np.stack(slopes) @ here, rcond=None)[0]
        if np.linalg.norm(at) > 1:
            return np.zeros_like(at)
    return at


def _class_form(name: str, num_variables: int) -> Any:
    """Normal form with squares, its variables ordered by rising weight."""
    form = normal_form(name)
    q = weights(form)
    assert q is not None
    order = sorted(range(len(q)), key=lambda i: q[i])
    R, *x = ring([f"x{i}" for i in range(num_variables)], QQ)
    terms = {tuple([a[i] for i in order] + [0] * (num_variables - len(q))): c for a, c in form.terms()}
    return R.from_dict(terms) + sum((y**2 for y in x[len(q) :]), R.zero)


def _class_order(name: str, known: tuple[Weights, int] | None, k: Weights) -> int | None:
    """Order of the class along generic arcs of a weight: min ⟨a, k⟩ over the exponents of its normal form."""
    if known is None:
        return None
    return int(min(sum(a * b for a, b in zip(word, k, strict=True)) for word in _class_form(name, len(k)).monoms()))


def _class_codimension(name: str, num_variables: int, m: int) -> int | None:
    """Codimension of the m-jets through the point on which the class vanishes beyond order m, over ℂ."""
    found = jet_fibre_components([_class_form(name, num_variables)], m)
    return None if not found else num_variables * (m + 1) - found[0][0]
