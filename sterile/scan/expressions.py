"""Small arithmetic of parameter names, for ranges that depend on other parameters.

Numbers, names, + - * / **, comparisons, ``and``, ``or``, ``not``, and a few functions of numpy:
the text is parsed, never run.
"""

import ast
import operator

import numpy as np

FUNCTIONS = {
    "sqrt": np.sqrt,
    "exp": np.exp,
    "log": np.log,
    "log10": np.log10,
    "min": np.minimum,
    "max": np.maximum,
}
_BINARY = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
}
_UNARY = {ast.USub: operator.neg, ast.UAdd: operator.pos, ast.Not: np.logical_not}
_COMPARE = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}


def names(text: str) -> set[str]:
    """Parameters that the expression ``text`` uses; ``ValueError`` if it is not one."""
    tree = _parse(text)
    called = {node.func for node in ast.walk(tree) if isinstance(node, ast.Call)}
    used = [node for node in ast.walk(tree) if isinstance(node, ast.Name) and node not in called]
    _evaluate(tree, {node.id: np.ones(1) for node in used}, text)
    return {node.id for node in used}


def evaluate(text: str, values: dict[str, np.ndarray]) -> np.ndarray:
    """The expression ``text`` for ``values``: name → array; shape of the arrays.

    Raises ``ValueError`` naming the text if it uses anything but arithmetic on these names.
    """
    with np.errstate(all="ignore"):
        return np.asarray(_evaluate(_parse(text), values, text))


def _parse(text: str) -> ast.AST:
    try:
        return ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError):
        raise ValueError(f"'{text}' is not an arithmetic expression") from None


def _evaluate(node, values, text):
    def part(child):
        return _evaluate(child, values, text)

    if isinstance(node, ast.Constant) and isinstance(node.value, int | float):
        if not isinstance(node.value, bool):
            return float(node.value)
    if isinstance(node, ast.Name):
        if node.id not in values:
            raise ValueError(f"'{text}' uses '{node.id}'; known here: {', '.join(values)}")
        return values[node.id]
    if isinstance(node, ast.BinOp) and type(node.op) in _BINARY:
        return _BINARY[type(node.op)](part(node.left), part(node.right))
    if isinstance(node, ast.UnaryOp) and type(node.op) in _UNARY:
        return _UNARY[type(node.op)](part(node.operand))
    if isinstance(node, ast.BoolOp):
        both = np.logical_and if isinstance(node.op, ast.And) else np.logical_or
        result = part(node.values[0])
        for child in node.values[1:]:
            result = both(result, part(child))
        return result
    if isinstance(node, ast.Compare) and all(type(op) in _COMPARE for op in node.ops):
        terms = [part(child) for child in (node.left, *node.comparators)]
        result = np.asarray(True)
        for op, left, right in zip(node.ops, terms, terms[1:]):
            result = np.logical_and(result, _COMPARE[type(op)](left, right))
        return result
    if (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id in FUNCTIONS
        and not node.keywords
    ):
        function = FUNCTIONS[node.func.id]
        if len(node.args) == function.nin:
            return function(*map(part, node.args))
    raise ValueError(
        f"'{text}': only numbers, parameter names, + - * / **, comparisons, and, or, not, "
        f"{', '.join(FUNCTIONS)} are possible"
    )
