"""Polynomials as people write them, as exact germs and ideals at the origin."""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction

from sympy import QQ
from sympy.polys.rings import PolyElement, PolyRing

from zeeman.errors import ZeemanError

MOST_TERMS = 20_000
MOST_DEGREE = 200


@dataclass(frozen=True)
class Germ:
    """A polynomial that is zero at the origin, looked at near the origin: a germ f, or a potential K ≥ 0.

    Attributes
    ----------
    polynomial
        f, over the rationals.
    squares
        Where f was written as Σ c_i g_i^{2k_i}, c_i > 0: the g_i^{k_i}, so that f ≍ Σ (g_i^{k_i})².
    """

    polynomial: PolyElement
    squares: tuple[PolyElement, ...] | None = None

    @property
    def variables(self) -> tuple[str, ...]:
        """Names of the variables."""
        return names_of(self.polynomial)

    def __str__(self) -> str:
        return str(self.polynomial.as_expr())


@dataclass(frozen=True)
class Ideal:
    """An ideal of polynomials that are zero at the origin."""

    generators: tuple[PolyElement, ...]

    @property
    def variables(self) -> tuple[str, ...]:
        """Names of the variables."""
        return names_of(self.generators[0])

    def __str__(self) -> str:
        return f"({', '.join(str(g.as_expr()) for g in self.generators)})"


def names_of(polynomial: PolyElement) -> tuple[str, ...]:
    """Names of the variables of the ring that a polynomial lives in."""
    return tuple(str(symbol) for symbol in polynomial.ring.symbols)


def parse_germ(text: str, variables: Sequence[str] | None = None) -> Germ:
    """Read a germ from text such as ``x**5 + y^2/3 - 0.25*x*y``; decimals are taken exactly.

    Parameters
    ----------
    text
        Sums, products, quotients by numbers and whole powers of names and numbers.
    variables
        The variables, in order; by default those that occur, sorted by name.

    Raises
    ------
    ZeemanError
        If it is no polynomial, constant, or not zero at the origin.

    Examples
    --------
    >>> germ = parse_germ("(x^2 - y^3)^2")
    >>> print(germ, germ.variables, germ.squares)
    x**4 - 2*x**2*y**3 + y**6 ('x', 'y') (x**2 - y**3,)
    """
    text = _plain(text)
    tree = _tree(text)
    ring = _ring(variables if variables is not None else sorted(_names(tree)))
    polynomial = _vanishing(_evaluate(tree, ring, text), text)
    roots = [root for part in _summands(tree) for root in _square_roots(part, ring, text)]
    return Germ(polynomial, None if None in roots else tuple(root for root in roots if root is not None))


def parse_ideal(text: str, variables: Sequence[str] | None = None) -> Ideal:
    """Read an ideal from generators with commas between, such as ``a*c, b*c``; zeros are left out.

    Raises
    ------
    ZeemanError
        As :func:`parse_germ`, for each generator.

    Examples
    --------
    >>> print(parse_ideal("a*c, b*c"))
    (a*c, b*c)
    """
    parts = [_plain(part) for part in text.split(",") if part.strip()]
    if not parts:
        raise ZeemanError("expected generators of an ideal with commas between, got nothing; give such as 'a*c, b*c'.")
    trees = [_tree(part) for part in parts]
    ring = _ring(variables if variables is not None else sorted(set().union(*map(_names, trees))))
    found = [_evaluate(tree, ring, part) for tree, part in zip(trees, parts, strict=True)]
    kept = [_vanishing(g, part) for g, part in zip(found, parts, strict=True) if g]
    if not kept:
        raise ZeemanError(f"expected an ideal with a generator that is not zero, got {text.strip()!r}.")
    return Ideal(tuple(kept))


def _plain(text: str) -> str:
    return text.strip().replace("^", "**")


def _ring(names: Sequence[str]) -> PolyRing:
    if not names:
        raise ZeemanError("expected a polynomial with a variable, got a constant; give such as 'x**5 + y**2'.")
    return PolyRing(list(names), QQ)


def _vanishing(polynomial: PolyElement, text: str) -> PolyElement:
    constant = polynomial.coeff(1)
    if not polynomial:
        raise ZeemanError(f"expected a polynomial that is not zero, got {text!r}, which is 0.")
    if constant:
        raise ZeemanError(
            f"expected a germ at the origin, zero there, but {text!r} is {constant} at the origin; "
            "subtract that, or move the point of interest to the origin."
        )
    return polynomial


def _tree(text: str) -> ast.expr:
    try:
        return ast.parse(text, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise ZeemanError(f"expected a polynomial such as 'x**5 + y**2', but {text!r} cannot be read as one.") from None


def _names(tree: ast.expr) -> set[str]:
    called = {node.func.id for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}
    return {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)} - called


def _evaluate(node: ast.expr, ring: PolyRing, text: str) -> PolyElement:
    if isinstance(node, ast.Constant):
        return _number(node, ring, text)
    if isinstance(node, ast.Name):
        names = [str(symbol) for symbol in ring.symbols]
        if node.id not in names:
            raise ZeemanError(f"expected the variables {', '.join(names)}, but {text!r} has {node.id}.")
        return ring.gens[names.index(node.id)]
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.UAdd):
        inner = _evaluate(node.operand, ring, text)
        return -inner if isinstance(node.op, ast.USub) else inner
    if isinstance(node, ast.BinOp):
        return _operation(node, ring, text)
    what = f"{node.func.id}(…)" if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) else ast.unparse(node)
    raise ZeemanError(
        f"expected a polynomial, but {text!r} has {what}, which is none; "
        "replace it by its Taylor polynomial at the origin."
    )


def _number(node: ast.Constant, ring: PolyRing, text: str) -> PolyElement:
    if isinstance(node.value, bool) or not isinstance(node.value, int | float):
        raise ZeemanError(f"expected numbers and names, but {text!r} has {node.value!r}.")
    if isinstance(node.value, float):
        if node.value == float("inf"):
            raise ZeemanError(f"expected finite numbers, but {text!r} has one that is too large.")
        written = Fraction(ast.get_source_segment(text, node) or repr(node.value))
        return ring.ground_new(QQ(written.numerator, written.denominator))
    return ring.ground_new(QQ(node.value))


def _operation(node: ast.BinOp, ring: PolyRing, text: str) -> PolyElement:
    left = _evaluate(node.left, ring, text)
    if isinstance(node.op, ast.Pow):
        return _power(left, node.right, text)
    right = _evaluate(node.right, ring, text)
    if isinstance(node.op, ast.Div):
        if not right.is_ground or not right:
            raise ZeemanError(
                f"expected a polynomial, but {text!r} divides by {ast.unparse(node.right)}; multiply it out."
            )
        return left.quo_ground(right.coeff(1))
    operations: dict[type[ast.operator], Callable[[PolyElement, PolyElement], PolyElement]] = {
        ast.Add: lambda a, b: a + b,
        ast.Sub: lambda a, b: a - b,
        ast.Mult: _product,
    }
    if type(node.op) not in operations:
        raise ZeemanError(f"expected a polynomial of + - * / and powers, but {text!r} has {ast.unparse(node)}.")
    return operations[type(node.op)](left, right)


def _product(left: PolyElement, right: PolyElement) -> PolyElement:
    if len(left) * len(right) > MOST_TERMS * 50:
        raise ZeemanError(f"expected a polynomial of at most about {MOST_TERMS} terms; this product has far more.")
    return left * right


def _power(base: PolyElement, node: ast.expr, text: str) -> PolyElement:
    exponent = _whole(node)
    if exponent is None or exponent < 0:
        raise ZeemanError(f"expected whole powers from 0 on, but {text!r} has the power {ast.unparse(node)}.")
    degree = max((sum(a) for a in base), default=0)
    if exponent * max(degree, 1) > MOST_DEGREE:
        raise ZeemanError(f"expected a polynomial of degree at most {MOST_DEGREE}, but {text!r} has a higher one.")
    result = base.ring.one
    for _ in range(exponent):
        result = _product(result, base)
    return result


def _whole(node: ast.expr) -> int | None:
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        inner = _whole(node.operand)
        return None if inner is None else -inner
    if isinstance(node, ast.Constant) and isinstance(node.value, int) and not isinstance(node.value, bool):
        return node.value
    return None


def _summands(tree: ast.expr) -> list[ast.expr]:
    if isinstance(tree, ast.BinOp) and isinstance(tree.op, ast.Add):
        return [*_summands(tree.left), *_summands(tree.right)]
    return [tree]


def _square_roots(node: ast.expr, ring: PolyRing, text: str) -> list[PolyElement | None]:
    """Roots g of one summand c g², written as a product of even powers; [None] where it is not of this form."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
        left, right = (_square_roots(side, ring, text) for side in (node.left, node.right))
        if len(left) == len(right) == 1 and left[0] is not None and right[0] is not None:
            return [left[0] * right[0]]
        return [None]
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
        return _square_roots(node.left, ring, text) if _evaluate(node.right, ring, text).coeff(1) > 0 else [None]
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Pow):
        exponent = _whole(node.right)
        even = exponent is not None and exponent % 2 == 0
        return [_power(_evaluate(node.left, ring, text), ast.Constant((exponent or 0) // 2), text)] if even else [None]
    value = _evaluate(node, ring, text)
    return [ring.one] if value.is_ground and value.coeff(1) > 0 else [None]
