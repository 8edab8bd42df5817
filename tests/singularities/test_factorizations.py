from collections import Counter

import pytest

from singularities.known import polynomials
from zeeman.errors import ZeemanError
from zeeman.singularities.factorizations import (
    almost_split,
    auslander_reiten,
    decompose,
    is_factorization,
    is_isomorphic,
)
from zeeman.singularities.graded import Factorization, grading, residue_field, stable_maps, syzygy

# Number of nodes on the arms of the diagram beside the node where they meet; one arm: a path of that length.
DYNKIN = {
    "x**7": [6],
    "x**2 + y**3": [2],
    "x**2 + y**7": [6],
    "x**2 - y**4": [3],
    "x*y + z**4": [3],
    "x**2*y - y**3": [1, 1, 1],
    "x**2*y + y**4": [1, 1, 2],
    "x**2*y - y**5": [1, 1, 3],
    "x**2*y - y**3 + z**2": [1, 1, 1],
    "x**3 + y**4": [1, 2, 2],
    "x**3 + x*y**3": [1, 2, 3],
    "x**3 + y**5": [1, 2, 4],
}


def germ(text):
    return polynomials([v for v in "xyz" if v in text], [text])[0]


def arms(quiver):
    """Lengths of the arms of a tree with at most one node of three neighbours, and whether it is one."""
    neighbours = {node: set() for node in quiver.nodes()}
    for a, b in quiver.diagram():
        neighbours[a].add(b)
        neighbours[b].add(a)
    centres = [node for node, near in neighbours.items() if len(near) > 2]
    ends = [node for node, near in neighbours.items() if len(near) <= 1]
    lengths = []
    for end in ends if centres else ends[:1]:
        path = [end]
        while path[-1] not in centres and (ahead := neighbours[path[-1]] - set(path)):
            path.append(ahead.pop())
        lengths.append(len(path) - len(centres))
    return sorted(lengths) if sum(lengths) + len(centres) == len(neighbours) else None


@pytest.mark.parametrize("text", DYNKIN)
def test_indecomposables_are_the_nodes_of_the_dynkin_diagram(text):
    f = germ(text)
    quiver = auslander_reiten(f)
    assert all(is_factorization(m, f) for m in quiver.factorizations)
    assert arms(quiver) == DYNKIN[text]


@pytest.mark.parametrize("text", ["x**6", "x**2*y - y**3", "x**3 + x*y**3"])
def test_almost_split_sequences_are_additive_in_size(text):
    f = germ(text)
    w, degree = grading(f)
    quiver = auslander_reiten(f)
    for j, m in enumerate(quiver.factorizations):
        tau = m if len(w) % 2 else syzygy(m, degree)
        middle = almost_split(m, f)
        assert is_factorization(middle, f)
        assert middle.size == m.size + tau.size
        # The rest of the middle is free.
        inside = sum(k * quiver.factorizations[i].size for (i, to), k in quiver.arrows.items() if to == j)
        assert 0 <= middle.size - inside <= 2


@pytest.mark.parametrize("text", ["x**5", "x**2*y - y**3", "x**3 + y**4", "x**3 + y**5"])
def test_maps_to_the_residue_field_count_generators(text):
    # Ext^i(M, k) has the rank of the minimal resolution, which is the size of M, as its dimension.
    f = germ(text)
    w, degree = grading(f)
    field = residue_field(f)
    for m in auslander_reiten(f).factorizations:
        degrees = range(min(field.rows) - max(m.rows), max(field.rows) - min(m.rows) + degree - sum(w) + 1)
        assert sum(len(stable_maps(m, field, (w, degree), e)) for e in degrees) == m.size


@pytest.mark.parametrize("k", [3, 4])
def test_stable_maps_of_fat_points(k):
    # Of x^(k+1) = x^a x^(k+1−a): min(a, b, k + 1 − a, k + 1 − b).
    f = germ(f"x**{k + 1}")
    x = f.ring.gens[0]
    modules = [Factorization(((x**a,),), ((x ** (k + 1 - a),),), (0,), (a,)) for a in range(1, k + 1)]
    for a, m in enumerate(modules, 1):
        for b, n in enumerate(modules, 1):
            total = sum(len(stable_maps(m, n, ((1,), k + 1), e)) for e in range(-2 * k, 2 * k))
            assert total == min(a, b, k + 1 - a, k + 1 - b)


def test_d4_has_the_branches_as_its_ends():
    f = germ("x**2*y - y**3")
    x, y = f.ring.gens
    quiver = auslander_reiten(f)
    ones = [m.phi[0][0] for m in quiver.factorizations if m.size == 1]
    lines = [x - y, x + y, y]
    assert len(ones) == 6
    assert all(any(g.monic() in (line, f.exquo(line).monic()) for g in ones) for line in lines)
    # Stable endomorphisms of a branch: functions on it modulo the other two, k[t]/t².
    line = next(m for m in quiver.factorizations if m.size == 1 and m.phi[0][0].monic() == y)
    assert sum(len(stable_maps(line, line, grading(f), e)) for e in range(-6, 7)) == 2


def test_sums_are_taken_apart():
    f = germ("x**2 - y**4")
    w, degree = grading(f)
    parts = decompose(residue_field(f), f)
    middle = Counter(part.size for part in decompose(almost_split(parts[0], f), f))
    assert [part.size for part in parts] == [2]
    assert middle == {1: 2}
    assert is_isomorphic(parts[0], syzygy(parts[0], degree), w)


def test_others_are_refused():
    with pytest.raises(ZeemanError, match="infinitely many"):
        auslander_reiten(germ("x**4 + y**4"))
    with pytest.raises(ZeemanError, match="quasi-homogeneous"):
        auslander_reiten(germ("x**2*y**2 + x**5 + y**5"))
