from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sympy import QQ, Poly, symbols
from sympy import discriminant as univariate

from singularities.germs import of_class, read
from zeeman.errors import ZeemanError
from zeeman.singularities.ade import classify
from zeeman.singularities.adjacency import adjacent, describe, is_adjacent
from zeeman.singularities.local_algebra import milnor_number
from zeeman.singularities.normal_forms import milnor_number_of, normal_form
from zeeman.singularities.spectrum import spectrum
from zeeman.singularities.unfolding import discriminant, versal_unfolding

DEGREES = {  # of the Weyl groups (Bourbaki)
    "A4": [2, 3, 4, 5],
    "D4": [2, 4, 4, 6],
    "D5": [2, 4, 5, 6, 8],
    "E6": [2, 5, 6, 8, 9, 12],
    "E7": [2, 6, 8, 10, 12, 14, 18],
    "E8": [2, 8, 12, 14, 18, 20, 24, 30],
}


@pytest.mark.parametrize("name", DEGREES)
def test_dimensions_are_degrees_of_the_weyl_group_over_the_coxeter_number(name):
    found = versal_unfolding(normal_form(name)).deformations
    assert sorted(d.dimension for d in found) == [Fraction(d, max(DEGREES[name])) for d in DEGREES[name]]
    assert {d.kind for d in found} == {"relevant"}
    assert all(d.crossover_exponent == 1 / d.dimension for d in found)


def test_moduli_are_marginal_and_beyond_is_irrelevant():
    def kinds(text):
        return [d.kind for d in versal_unfolding(read(text)).deformations]

    assert kinds("x**4 + y**4").count("marginal") == kinds("x**3 + y**6").count("marginal") == 1
    assert kinds("x**3 + y**7").count("irrelevant") == 1
    assert set(kinds("x**2*y**2 + x**5 + y**5")) == {None}
    assert versal_unfolding(read("x**2*y**2")) is None


@pytest.mark.parametrize("k", range(1, 6))
def test_discriminant_of_a_is_that_of_the_polynomial(k):
    t = symbols(f"t_0:{k}")
    x = symbols("x")
    polynomial = Poly(x ** (k + 1) + sum(ti * x**i for i, ti in enumerate(t)), x)
    known = univariate(polynomial)
    ours = discriminant(normal_form(f"A{k}")).as_expr()
    ratio = (known / ours).subs({ti: j + 2 for j, ti in enumerate(t)})
    assert (known - ratio * ours).expand() == 0


@pytest.mark.parametrize("name", ["A6", "D4", "D5", "D6", "E6"])
def test_discriminant_is_homogeneous(name):
    f = normal_form(name)
    dimensions = [d.dimension for d in versal_unfolding(f).deformations]
    degrees = {sum(e * y for e, y in zip(exponent, dimensions, strict=True)) for exponent in discriminant(f)}
    assert degrees == {Fraction(milnor_number_of(name))}


fractions = st.fractions(min_value=-2, max_value=2, max_denominator=3)


@given(st.sampled_from(["A3", "D4", "D5", "E6"]), st.data())
@settings(max_examples=12)
def test_discriminant_vanishes_where_the_zero_level_is_singular(name, data):
    """Of random parameters and a random point, 1, x and y are changed so that the point is critical at level 0."""
    f = normal_form(name)
    unfolding = versal_unfolding(f)
    point = [QQ(p.numerator, p.denominator) for p in (data.draw(fractions) for _ in f.ring.gens)]
    t = {d.exponents: QQ(v.numerator, v.denominator) for d in unfolding.deformations for v in [data.draw(fractions)]}
    units = [tuple(int(i == j) for j in range(f.ring.ngens)) for i in range(f.ring.ngens)]
    t |= dict.fromkeys(units, QQ(0))
    t[(0,) * f.ring.ngens] = QQ(0)
    for unit, x in zip(units, f.ring.gens, strict=True):
        t[unit] -= (f + f.ring.from_dict(t)).diff(x).evaluate(list(zip(f.ring.gens, point, strict=True)))
    t[(0,) * f.ring.ngens] -= (f + f.ring.from_dict(t)).evaluate(list(zip(f.ring.gens, point, strict=True)))
    equation = discriminant(f)
    values = [t[d.exponents] for d in unfolding.deformations]
    assert equation.evaluate(list(zip(equation.ring.gens, values, strict=True))) == 0
    t[(0,) * f.ring.ngens] += 10**6
    values = [t[d.exponents] for d in unfolding.deformations]
    assert equation.evaluate(list(zip(equation.ring.gens, values, strict=True))) != 0


def test_discriminant_needs_a_quasihomogeneous_germ():
    with pytest.raises(ZeemanError, match="quasi-homogeneous"):
        discriminant(read("x**2*y**2 + x**5 + y**5"))


def test_adjacencies_of_arnold():
    """A_k → A_l for l < k; D_k → A_l for l < k, D_l; E6 → D5, A5; E7 → E6, D6, A6; E8 → E7, D7, A7 and what follows."""
    single = {
        "A5": {"A1", "A2", "A3", "A4"},
        "D6": {"A1", "A2", "A3", "A4", "A5", "D4", "D5"},
        "E6": {"A1", "A2", "A3", "A4", "A5", "D4", "D5"},
        "E7": {"A1", "A2", "A3", "A4", "A5", "A6", "D4", "D5", "D6", "E6"},
        "E8": {"A1", "A2", "A3", "A4", "A5", "A6", "A7", "D4", "D5", "D6", "D7", "E6", "E7"},
    }
    for name, others in single.items():
        assert {c[0] for c in adjacent(name) if len(c) == 1} == others
        assert all(is_adjacent(name, other) for other in others)
    assert not is_adjacent("A7", "D4")


def test_splittings_on_one_level():
    """Counts of collections: partitions for A_k; a quartic has at most two double points, D4 three, E6 none of four."""
    assert {describe(c) for c in adjacent("A3")} == {"A1", "2A1", "A2"}
    assert ("A1", "A1", "A1") in adjacent("D4")
    assert not any(c == ("A1",) * 4 for c in adjacent("E6"))
    assert ("A1", "A2", "A2") in adjacent("E6")
    assert ("A1", "A2", "A4") in adjacent("E8")
    assert all(sum(map(milnor_number_of, c)) < 8 for c in adjacent("E8"))


@pytest.mark.parametrize("name", ["A5", "D5", "E6", "E7"])
def test_spectra_are_semicontinuous_along_adjacencies(name):
    """Varchenko: each interval (t, t + 1) holds no fewer numbers of the germ than of what it splits into."""
    germ_numbers = spectrum(of_class(name) if name in ("D5", "E6", "E7") else read("x**6 + y**2"))
    for collection in adjacent(name):
        parts = [a for part in collection for a in spectrum(two_variables(part))]
        for t in {a - Fraction(1, 10**6) for a in germ_numbers + parts}:
            assert sum(t < a < t + 1 for a in parts) <= sum(t < a < t + 1 for a in germ_numbers)


def two_variables(name):
    return read(f"x**{int(name[1:]) + 1} + y**2") if name[0] == "A" else normal_form(name)


@pytest.mark.parametrize(
    ("text", "name"), [("x**4 + y**3 + 3*x**2*y", "D4"), ("x**3 + y**4 + x**2", "A3"), ("x**2*y + y**4 + x**2", "A3")]
)
def test_deformed_germs_have_adjacent_classes(text, name):
    start = {"x**4 + y**3 + 3*x**2*y": "E6", "x**3 + y**4 + x**2": "E6", "x**2*y + y**4 + x**2": "D5"}[text]
    assert classify(read(text)).name == name
    assert is_adjacent(start, name)
    assert milnor_number(read(text)) < milnor_number_of(start)


@pytest.mark.parametrize("name", ["P8", "E12", "D3", "X9"])
def test_only_simple_classes_have_diagrams(name):
    with pytest.raises(ZeemanError, match="simple singularity"):
        adjacent(name)
