"""What arguments of constructors may be: one rule each, checked before anything is built.

A rule says in words what a value must be, and whether one is. :func:`takes` holds a constructor
to rules and refuses with the part, the argument, the rule, the value and the default.
"""
import inspect
import math
from collections.abc import Callable
from functools import wraps
from numbers import Integral, Real
from typing import Any, NamedTuple, ParamSpec

__all__ = [
    'CALLABLE', 'CONFIG', 'FLAG', 'MAPPING', 'TEXT', 'Rule', 'either', 'instance', 'list_of',
    'number', 'one_of', 'optional', 'takes', 'whole'
]

P = ParamSpec('P')
# Of values in messages; a config may fill a page.
_LONGEST = 200


class Rule(NamedTuple):
    """What a value must be.

    Attributes:
        says: In words that follow "must be".
        holds: Whether a value is that.
    """
    says: str
    holds: Callable[[Any], bool]


def takes(**rules: Rule) -> Callable[[Callable[P, None]], Callable[P, None]]:
    """Hold a constructor's arguments to rules; those left out are not looked at.

    Args:
        rules: By the names of arguments, also of such that the constructor hands on (``**kwargs``).

    Returns:
        A decorator of ``__init__``; what it makes raises a ValueError.
    """
    def decorate(init: Callable[P, None]) -> Callable[P, None]:
        signature = inspect.signature(init)

        @wraps(init)
        def checked(*args: P.args, **kwargs: P.kwargs) -> None:
            try:
                given = signature.bind(*args, **kwargs).arguments
            except TypeError:
                return init(*args, **kwargs)  # which Python refuses in its own words
            for name, value in {**given, **kwargs}.items():
                if name in rules and not rules[name].holds(value):
                    raise ValueError(
                        f'{name} of {type(args[0]).__name__} must be {rules[name].says}, got '
                        f'{shown(value)}{_remedy(signature, name)}')
            init(*args, **kwargs)

        return checked

    return decorate


def whole(low: int | None = None, high: int | None = None) -> Rule:
    """A whole number in [low, high]; no truth value, no ``2.0``."""
    return Rule(f'a whole number{_range_text(low, high)}', lambda value: (
        isinstance(value, Integral) and not isinstance(value, bool) and _within(value, low, high)))


def number(low: float | None = None, high: float | None = None, *, above: float | None = None,
           below: float | None = None) -> Rule:
    """A finite number in [low, high], or in (above, below) where an end is left out."""
    return Rule(f'a finite number{_range_text(low, high, above, below)}', lambda value: (
        isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value)
        and _within(value, low, high, above, below)))


def one_of(*choices: object) -> Rule:
    """One of these; 1 and 1.0 are not True."""
    return Rule(f'one of {", ".join(map(repr, choices))}', lambda value: any(
        type(value) is type(choice) and value == choice for choice in choices))


def instance(kind: type | tuple[type, ...], says: str) -> Rule:
    """An instance of a class or of some."""
    return Rule(says, lambda value: isinstance(value, kind))


def list_of(rule: Rule, count: int | None = None, least: int = 1) -> Rule:
    """A list or tuple of ``count`` values, or of at least ``least``, each by a rule."""
    many = f'{count} values' if count else f'at least {least}' if least else 'any length'
    return Rule(f'a list ({many}) of which each is {rule.says}', lambda value: (
        isinstance(value, (list, tuple, range)) and all(map(rule.holds, value))
        and (len(value) == count if count else len(value) >= least)))


def either(*rules: Rule) -> Rule:
    """What one of the rules allows."""
    return Rule(', or '.join(rule.says for rule in rules),
                lambda value: any(rule.holds(value) for rule in rules))


def optional(rule: Rule) -> Rule:
    """None, or what the rule allows."""
    return either(rule, Rule('None', lambda value: value is None))


FLAG = instance(bool, 'True or False')
TEXT = instance(str, 'a text')
MAPPING = instance(dict, 'a dict')
CALLABLE = Rule('something to call', callable)
CONFIG = Rule('one config, a dict with a type', lambda value: (
    isinstance(value, dict) and value.get('type') is not None))


def shown(value: object) -> str:
    """A value in a message, not longer than that can be read."""
    text = repr(value)
    return text if len(text) <= _LONGEST else f'{text[:_LONGEST]}...'


def _remedy(signature: inspect.Signature, name: str) -> str:
    default = (signature.parameters[name].default if name in signature.parameters
               else inspect.Parameter.empty)
    if default is inspect.Parameter.empty:
        return ''
    return f'; left out it is {shown(default)}'


def _within(value: Any, low: float | None, high: float | None, above: float | None = None,
            below: float | None = None) -> bool:
    return ((low is None or value >= low) and (high is None or value <= high)
            and (above is None or value > above) and (below is None or value < below))


def _range_text(low: float | None, high: float | None, above: float | None = None,
                below: float | None = None) -> str:
    first, last = (low if above is None else above), (high if below is None else below)
    if first is not None and last is not None:
        return f' in {"[" if above is None else "("}{first}, {last}{"]" if below is None else ")"}'
    if first is not None:
        return f', {"at least" if above is None else "above"} {first}'
    return '' if last is None else f', {"at most" if below is None else "below"} {last}'
