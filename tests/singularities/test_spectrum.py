from collections import Counter
from fractions import Fraction
from itertools import combinations, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sympy import QQ, Matrix, ring

from singularities.germs import CLASSES, TABLE, changed, expand, of_class, read, with_squares
from singularities.known import polynomials
from zeeman.errors import ZeemanError
from zeeman.singularities.bernstein import bernstein_roots
from zeeman.singularities.local_algebra import milnor_number, residual
from zeeman.singularities.newton_filtration import facets_of, newton_spectrum
from zeeman.singularities.resolution_graph import resolution_graph
from zeeman.singularities.spectrum import complex_lct, convenient_support, spectrum
from zeeman.singularities.weights import weights

PLANE = [name for name in CLASSES if read(CLASSES[name]).ring.ngens == 2 and name[0] != "A"]
SPACE = [name for name in CLASSES if read(CLASSES[name]).ring.ngens == 3]


@pytest.mark.parametrize("entry", TABLE, ids=lambda e: str(e["id"]))
def test_spectra_of_the_table(entry):
    f = polynomials(entry["vars"], [entry["polynomial"]])[0]
    assert spectrum(f) == (entry["spectrum"] and expand(entry["spectrum"]))
    if entry["spectrum"]:
        assert complex_lct(f) == Fraction(entry["lct"])


@pytest.mark.parametrize("entry", TABLE, ids=lambda e: str(e["id"]))
def test_bernstein_roots_of_the_table(entry):
    f = polynomials(entry["vars"], [entry["polynomial"]])[0]
    found = bernstein_roots(f)
    if entry["mu"] is None or entry["tau"] < entry["mu"]:
        assert found is None
    else:
        assert found == {Fraction(root): times for root, times in entry["bs_roots"]}


@pytest.mark.parametrize("name", CLASSES)
def test_spectrum_is_symmetric_and_of_mu_numbers(name):
    f = of_class(name)
    found = spectrum(f)
    assert len(found) == milnor_number(f)
    assert found == sorted(found) == sorted(f.ring.ngens - alpha for alpha in found)
    assert all(0 < alpha < f.ring.ngens for alpha in found)


@pytest.mark.parametrize("name", CLASSES)
def test_poincare_polynomial_of_quasihomogeneous_germs(name):
    """Σ t^α = Π (t^{q_i} - t) / (1 - t^{q_i}), compared at t = 1/2^N with N the common denominator."""
    f = of_class(name)
    q = weights(f)
    if q is not None:
        scale = int(Fraction(1) / min(w for w in [Fraction(1, w.denominator) for w in q]))
        for w in q:
            scale *= w.denominator
        t = Fraction(1, 2)
        left = sum(t ** int(alpha * scale) for alpha in spectrum(f))
        right = Fraction(1)
        for w in q:
            right *= (t ** int(w * scale) - t**scale) / (1 - t ** int(w * scale))
        assert left == right


@given(st.data(), st.sampled_from(list(CLASSES)))
@settings(max_examples=30)
def test_spectrum_does_not_depend_on_coordinates(data, name):
    f = of_class(name)
    assert spectrum(data.draw(changed(f))) == spectrum(f)


def join(f, g):
    """f(x, y) + g(u, v, w) in disjoint variables."""
    big = ring([f"x{i}" for i in range(f.ring.ngens + g.ring.ngens)], QQ)[0]
    left = {(*e, *[0] * g.ring.ngens): c for e, c in f.items()}
    right = {(*[0] * f.ring.ngens, *e): c for e, c in g.items()}
    return big.from_dict(left) + big.from_dict(right)


@pytest.mark.parametrize(("one", "other"), [("A2", "D4"), ("E6", "A4"), ("E7", "A2"), ("X9", "A2"), ("T(2,4,5)", "A2")])
def test_thom_sebastiani(one, other):
    """The spectrum of a sum in disjoint variables is that of all sums; the curves are resolved, the sum is not."""
    f, g = of_class(one), of_class(other)
    sums = sorted(a + b for a in spectrum(f) for b in spectrum(g))
    assert spectrum(join(f, g)) == sums


@pytest.mark.parametrize("name", ["D5", "P8", "T(3,4,5)"])
def test_a_square_adds_one_half(name):
    f = of_class(name)
    assert spectrum(with_squares(f, [-1, 2])) == [alpha + 1 for alpha in spectrum(f)]


@pytest.mark.parametrize("name", PLANE)
def test_resolution_and_newton_polygon_agree(name):
    """A'Campo's μ from the resolution is that of the local algebra, and so is the spectrum where the polygon tells."""
    f = of_class(name)
    graph, mu = resolution_graph(f), milnor_number(f)
    assert graph.milnor_number == mu
    by_polygon = newton_spectrum(convenient_support(f))
    assert len(by_polygon) == mu or name in ("T(2,6,6)", "W#(1,1)", "W#(1,2)")
    if len(by_polygon) == mu:
        assert by_polygon == spectrum(f)


@given(st.integers(2, 5), st.integers(2, 5), st.integers(1, 3), st.integers(1, 3))
def test_two_puiseux_pairs(p, q, extra, second):
    """(y^p - x^q)^2 + x^a y^b with one branch: μ from the semigroup (Zariski), and α_min = 1/2 (1/p + 1/q)."""
    if p < q and q % p and Matrix([[p, q]]).rank() == 1:
        _, x, y = ring("x,y", QQ)
        f = (y**p - x**q) ** 2 + x ** (q + extra) * y ** (p + second)
        if milnor_number(f) is not None:
            graph = resolution_graph(f)
            assert graph.milnor_number == milnor_number(f) == len(graph.spectrum())
            assert min(graph.spectrum()) == (Fraction(1, p) + Fraction(1, q)) / 2


@pytest.mark.parametrize(
    "text", ["(x**2 - 2*y**2)**2 + x**5", "(x**2 + y**2)**2 + x**7 + y**9", "(x**3 - 2*y**3)**2 + x**7"]
)
def test_conjugate_infinitely_near_points(text):
    f = read(text)
    graph = resolution_graph(f)
    assert graph.milnor_number == milnor_number(f) == len(graph.spectrum())


def newton_number(support):
    """Σ_I (-1)^{n-|I|} |I|! V_I below the diagram, by determinants of a fan of each facet in the plane and in space."""
    size = len(support[0])
    total = (-1) ** size
    for k in range(1, size + 1):
        for kept in combinations(range(size), k):
            points = [tuple(a[i] for i in kept) for a in support if not any(a[i] for i in range(size) if i not in kept)]
            total += (-1) ** (size - k) * volume_below(points)
    return total


def volume_below(points):
    """k! times the volume below the Newton diagram."""
    if len(points[0]) == 1:
        return min(a[0] for a in points)
    total = 0
    for w in facets_of(points):
        face = sorted(a for a in points if sum(wi * ai for wi, ai in zip(w, a, strict=True)) == 1)
        if len(points[0]) == 2:
            total += abs(Matrix([face[0], face[-1]]).det())
        else:
            total += sum(abs(Matrix(triangle).det()) for triangle in triangles(face))
    return total


def triangles(face):
    """Fan of the convex hull of coplanar points, by their first two coordinates."""

    def cross(o, a, b):
        return (a[0] - o[0]) * (b[1] - o[1]) - (a[1] - o[1]) * (b[0] - o[0])

    chains = []
    for points in (face, face[::-1]):
        chain = []
        for a in points:
            while len(chain) > 1 and cross(chain[-2], chain[-1], a) <= 0:
                chain.pop()
            chain.append(a)
        chains.append(chain[:-1])
    hull = chains[0] + chains[1]
    return [[hull[0], a, b] for a, b in pairwise(hull[1:])]


@pytest.mark.parametrize("name", ["D5", "E7", "T(2,4,5)", "W(1,0)", *SPACE])
def test_kouchnirenko(name):
    """μ is the Newton number of the diagram made convenient; the germs of the list are nondegenerate."""
    f = of_class(name)
    assert newton_number(convenient_support(f)) == milnor_number(f) == len(newton_spectrum(convenient_support(f)))


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4), st.integers(0, 4)), max_size=3), st.integers(2, 5))
@settings(max_examples=25)
def test_newton_spectrum_has_the_newton_number_of_terms(inner, power):
    support = [(power, 0, 0), (0, power + 1, 0), (0, 0, power + 2), *(a for a in inner if sum(a) > 1)]
    found = newton_spectrum(support)
    assert len(found) == newton_number(support)
    assert found == sorted(3 - alpha for alpha in found)


def test_semicontinuity_under_deformation():
    """In every half-open interval (t, t + 1], E8 has at least as many spectral numbers as A7, D7 or E7 (Varchenko)."""
    big = Counter(spectrum(read("x**3 + y**5")))
    for text in ("x**8 + y**2", "x**2*y + y**6", "x**3 + x*y**3"):
        small = Counter(spectrum(read(text)))
        for t in {*big, *small}:
            inside = [sum(c for a, c in numbers.items() if t < a <= t + 1) for numbers in (big, small)]
            assert inside[0] >= inside[1]


def test_nothing_where_nothing_is_defined():
    assert spectrum(read("x + y**2")) == []
    assert bernstein_roots(read("x + y**2")) == {Fraction(-1): 1}
    assert spectrum(read("x**2*y**2")) is complex_lct(read("x**2*y**2")) is bernstein_roots(read("x**2*y**2")) is None
    with pytest.raises(ZeemanError, match="not constant"):
        complex_lct(read("3"))


def test_bernstein_roots_do_not_depend_on_coordinates():
    f = read("x**3 + y**4 + x*y**3")
    assert bernstein_roots(f) == bernstein_roots(read("x**3 + y**4"))
    assert weights(f) is None
    assert residual(f).germ is not None
