from collections import Counter, defaultdict
from fractions import Fraction

import pytest

from singularities.known import polynomials
from zeeman.errors import ZeemanError
from zeeman.singularities.characters import (
    SuperPrimary,
    over_product,
    super_central_charge,
    super_character,
    super_primaries,
    virasoro_character,
    virasoro_weight,
)
from zeeman.singularities.landau_ginzburg import landau_ginzburg


def affine_su2(level, ell, degree):
    """Multiplicities {(N, 2 s): dim} of the integrable module by Weyl and Kac, with z^s for J₃ = s."""
    inverse = {(0, 0): 1}
    for n in range(1, degree + 1):
        for charge in (0, 1, -1):
            for grade in range(degree - n + 1):
                for (N, c), count in list(inverse.items()):
                    if grade == N:
                        inverse[N + n, c + charge] = inverse.get((N + n, c + charge), 0) + count
    result = defaultdict(int)
    u = level + 2
    for n in range(-degree - 1, degree + 2):
        for sign in (1, -1):
            # q^(u n² + (l + 1) n) (z^(un + (l+1)/2) − z^−(un + (l+1)/2)), over z^½ (1 − z⁻¹).
            lowest, twice = u * n * n + (ell + 1) * n, sign * (2 * u * n + ell + 1) - 1
            for (N, c), count in inverse.items():
                if lowest + N <= degree:
                    for twice_s in range(twice + 2 * c, -4 * degree - 2 * ell - 3, -2):
                        result[lowest + N, twice_s] += sign * count
    return {key: count for key, count in result.items() if count}


@pytest.mark.parametrize("field", [f for k in (1, 2, 3) for f in super_primaries(k)], ids=str)
def test_super_characters_are_those_of_the_coset(field):
    # su(2)_k × (a complex fermion) / u(1): at fixed total charge s + f = −m/2, weights are N + f²/2 and charges f.
    degree = 4
    affine = affine_su2(field.level, field.ell, degree)
    expected = {}
    for f in range(-3, 4):
        for N in range(degree + 1):
            count = affine.get((N, -field.m - 2 * f), 0)
            weight = N + Fraction(f * f, 2)
            if count and weight <= degree:
                expected[weight, Fraction(f)] = expected.get((weight, Fraction(f)), 0) + count
    assert super_character(field, degree) == expected


def test_level_one_is_a_free_boson():
    # Fields exp(i φ n √3) shifted by m/√3: weight (n + m/3)² · 3/2, charge n + m/3.
    partitions = over_product([1] + [0] * 6, range(1, 7))
    for field in super_primaries(1):
        expected = Counter()
        for n in range(-3, 4):
            above = Fraction(3, 2) * (n + field.charge) ** 2 - field.weight
            for level, count in enumerate(partitions):
                if above + level <= 6:
                    expected[above + level, Fraction(n)] += count
        assert super_character(field, 6) == expected


@pytest.mark.parametrize("level", range(1, 6))
def test_chiral_primaries_are_the_chiral_ring(level):
    model = landau_ginzburg(polynomials(["x"], [f"x**{level + 2}"])[0])
    chiral = [field for field in super_primaries(level) if field.is_chiral]
    assert model.central_charge == super_central_charge(level)
    assert model.level == level
    assert [f.charge for f in chiral] == [operator.charge for operator in model.operators]
    assert [f.weight for f in chiral] == [operator.conformal_weight for operator in model.operators]
    assert len(super_primaries(level)) == (level + 1) * (level + 2) // 2
    for field in chiral:
        assert (Fraction(1, 2), Fraction(1)) not in super_character(field, 1)


def test_ising_characters_are_a_free_fermion():
    vacuum, energy = (virasoro_character(3, 4, 1, s, 8) for s in (1, 3))
    fermion = [1] + [0] * 16
    for n in range(1, 17, 2):
        fermion = [a + b for a, b in zip(fermion, [0] * n + fermion, strict=False)]
    assert virasoro_weight(3, 4, 1, 3) == Fraction(1, 2)
    assert fermion[::2] == vacuum
    assert fermion[1::2] == energy[:-1]


def test_trivial_model_has_one_state():
    assert virasoro_character(2, 3, 1, 1, 12) == [1] + [0] * 12


def test_labels_out_of_range():
    with pytest.raises(ZeemanError, match="coprime"):
        virasoro_character(2, 4, 1, 1, 3)
    with pytest.raises(ZeemanError, match="l \\+ m even"):
        SuperPrimary(2, 1, 0)
