"""A bare potential K(w), given as the text of a polynomial."""

from __future__ import annotations

import ast
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from zeeman.errors import ZeemanError

MAX_POWER = 64
MAX_LENGTH = 4000

_Columns = dict[str, torch.Tensor]
_Node = Callable[[_Columns], torch.Tensor | float]


@dataclass(frozen=True, eq=False)
class Potential:
    """A polynomial K in named variables, evaluated as it is written.

    Nothing is multiplied out: in (x² − y³)² the difference is taken before the square, which keeps the relative
    precision of small values.

    Parameters
    ----------
    expression : str
    variables : tuple of str
        In the order in which they first stand in the expression, which is that of the axes.

    Examples
    --------
    >>> K = Potential.parse("(x**2 - y**3)**2 / 2")
    >>> K.variables, K(torch.tensor([[2.0, 1.0], [1.0, 1.0]])).tolist()
    (('x', 'y'), [4.5, 0.0])
    """

    expression: str
    variables: tuple[str, ...]
    _evaluate: _Node

    @classmethod
    def parse(cls, expression: str) -> Potential:
        """Read a polynomial: numbers, variables, ``+ - *``, division by numbers, whole powers by ``**`` or ``^``.

        Parameters
        ----------
        expression : str

        Returns
        -------
        Potential

        Raises
        ------
        ZeemanError
            If it is no polynomial, or too long to be one that a person wrote.
        """
        if len(expression) > MAX_LENGTH:
            raise _bad(expression[:40] + "…", f"it has {len(expression)} characters, and at most {MAX_LENGTH} are read")
        try:
            tree = ast.parse(expression.strip().replace("^", "**"), mode="eval")
            names = dict.fromkeys(_names(tree.body))
            evaluate = _compile(tree.body, expression)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            raise _bad(expression, "it can't be read") from None
        if not names:
            raise _bad(expression, "it has no variable")
        return cls(expression, tuple(names), evaluate)

    @property
    def origin(self) -> torch.Tensor:
        """The point at which all variables are 0."""
        return torch.zeros(len(self.variables), dtype=torch.float64)

    def __call__(self, points: torch.Tensor) -> torch.Tensor:
        """Evaluate K at points of shape (..., d); gives shape (...)."""
        columns = dict(zip(self.variables, points.unbind(-1), strict=True))
        value = self._evaluate(columns)
        return torch.as_tensor(value, dtype=points.dtype).expand(points.shape[:-1])


def _names(node: ast.AST) -> Sequence[str]:
    """Names in reading order."""
    if isinstance(node, ast.Name):
        return [node.id]
    return [name for child in ast.iter_child_nodes(node) for name in _names(child)]


def _bad(expression: str, why: str) -> ZeemanError:
    return ZeemanError(f"expected a polynomial such as 'x**2*y**2', got {expression!r}: {why}; write it as one.")


def _compile(node: ast.expr, text: str) -> _Node:
    match node:
        case ast.Constant(value=bool()):
            raise _bad(text, "a truth value is no number")
        case ast.Constant(value=int() | float() as number) if math.isfinite(number):
            constant = float(number)
            return lambda _: constant
        case ast.Name(id=name):
            return lambda columns: columns[name]
        case ast.UnaryOp(op=ast.USub(), operand=inner):
            part = _compile(inner, text)
            return lambda columns: -part(columns)
        case ast.UnaryOp(op=ast.UAdd(), operand=inner):
            return _compile(inner, text)
        case ast.BinOp(left=left, op=ast.Pow(), right=right):
            return _power(_compile(left, text), _whole(right, text))
        case ast.BinOp(left=left, op=ast.Div(), right=right):
            return _times(_compile(left, text), 1 / _number(right, text))
        case ast.BinOp(left=left, op=ast.Add() | ast.Sub() | ast.Mult() as op, right=right):
            return _combine(op, _compile(left, text), _compile(right, text))
    raise _bad(text, f"{ast.unparse(node)!r} is no sum, product or whole power of variables and numbers")


def _combine(op: ast.operator, a: _Node, b: _Node) -> _Node:
    if isinstance(op, ast.Add):
        return lambda columns: a(columns) + b(columns)
    if isinstance(op, ast.Sub):
        return lambda columns: a(columns) - b(columns)
    return lambda columns: a(columns) * b(columns)


def _times(a: _Node, factor: float) -> _Node:
    return lambda columns: a(columns) * factor


def _power(base: _Node, power: int) -> _Node:
    def evaluate(columns: _Columns) -> torch.Tensor | float:
        # By squaring: torch's own power of a tensor costs a logarithm for each element.
        square, left, found = base(columns), power, None
        while left:
            if left & 1:
                found = square if found is None else found * square
            left >>= 1
            square = square * square if left else square
        return 1.0 if found is None else found

    return evaluate


def _whole(node: ast.expr, text: str) -> int:
    power = _number(node, text, nonzero=False)
    if power != int(power) or not 0 <= power <= MAX_POWER:
        raise _bad(text, f"a power must be a whole number from 0 to {MAX_POWER}, not {ast.unparse(node)}")
    return int(power)


def _number(node: ast.expr, text: str, *, nonzero: bool = True) -> float:
    if _names(node):
        raise _bad(text, f"{ast.unparse(node)!r} would have to be a number")
    value = _compile(node, text)({})
    assert isinstance(value, float)
    if not math.isfinite(value) or (nonzero and value == 0):
        raise _bad(text, "it divides by zero")
    return value
