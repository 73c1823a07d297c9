"""The config inside a checkpoint, read without running it."""
import ast
from collections.abc import Mapping
from typing import Any

# What stands where a value is no literal (a call, a name, an expression).
UNREADABLE = None


def config_text(meta: Mapping[str, Any]) -> str:
    """The training config in ``checkpoint['meta']`` of MMEngine, as text; else empty."""
    text = meta.get('cfg')
    return text if isinstance(text, str) else ''


def saved_config(meta: Mapping[str, Any]) -> dict[str, Any]:
    """The config that MMEngine writes into every checkpoint, as plain values.

    A config in a checkpoint is a program of whoever wrote it: only literals, lists, tuples and
    ``dict(...)`` are evaluated; everything else becomes :data:`UNREADABLE`.

    Args:
        meta: ``checkpoint['meta']``.

    Returns:
        Names of the config to values; empty where there is no config or it cannot be parsed.
    """
    try:
        tree = ast.parse(config_text(meta))
    except (SyntaxError, ValueError, RecursionError):
        return {}
    return {target.id: _value(node.value) for node in tree.body if isinstance(node, ast.Assign)
            for target in node.targets if isinstance(target, ast.Name)}


def _value(node: ast.expr) -> Any:
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == 'dict':
        return {word.arg: _value(word.value) for word in node.keywords if word.arg is not None}
    if isinstance(node, ast.Dict):
        return {key.value: _value(value) for key, value in zip(node.keys, node.values, strict=True)
                if isinstance(key, ast.Constant)}
    if isinstance(node, ast.List | ast.Tuple):
        values = [_value(item) for item in node.elts]
        return values if isinstance(node, ast.List) else tuple(values)
    try:
        return ast.literal_eval(node)
    except (TypeError, ValueError, RecursionError):
        return UNREADABLE
