"""Small arithmetic of parameter names, for ranges that depend on other parameters.

Numbers, names, + - * / **, comparisons, ``and``, ``or``, ``not``, and a few functions of numpy:
the text is parsed, never run. Python's own parser makes a tree of it; the tree is walked, and a
node that is not one of these is an error, so that no name but a parameter's can be reached.
Arithmetic is that of double precision: 1/0 is infinite, (-1)**0.5 is not a number.
"""

import ast
import operator
import warnings

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
# beyond, a text is no small arithmetic, and Python's parser gives up in its own ways
_LONGEST, _DEEPEST = 1000, 50
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
    with np.errstate(all="ignore"):
        _evaluate(tree, {node.id: np.ones(1) for node in used}, text)
    return {node.id for node in used}


def evaluate(text: str, values: dict[str, np.ndarray]) -> np.ndarray:
    """The expression ``text`` for ``values``: name → array; shape of the arrays.

    Raises ``ValueError`` naming the text if it uses anything but arithmetic on these names.
    """
    with np.errstate(all="ignore"):
        return np.asarray(_evaluate(_parse(text), values, text))


def _parse(text: str) -> ast.AST:
    if len(text) > _LONGEST:
        raise ValueError(f"'{text[:40]}...' is longer than {_LONGEST} characters")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of Python, on what is refused below
            return ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise ValueError(f"'{text}' is not an arithmetic expression") from None


def _number(value: int | float) -> np.float64:
    try:
        return np.float64(value)
    except OverflowError:  # an integer of more than 308 digits
        return np.float64(np.inf)


def _evaluate(node, values, text, depth=0):
    if depth > _DEEPEST:
        raise ValueError(f"'{text}': more than {_DEEPEST} operations inside each other")

    def part(child):
        # truth values count as 0 and 1
        return np.asarray(_evaluate(child, values, text, depth + 1), dtype=float)

    if isinstance(node, ast.Constant) and isinstance(node.value, int | float):
        if not isinstance(node.value, bool):
            return _number(node.value)
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
