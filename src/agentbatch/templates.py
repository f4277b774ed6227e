"""Templates of prompts: one may be a coder's work, so that nothing in it reaches past the values that it is given, and
nothing that it makes fills the memory."""

import re
from collections.abc import Callable, ItemsView, Iterable, Iterator, KeysView, Mapping, Sequence, ValuesView
from functools import wraps
from string import Formatter
from typing import Any

from jinja2 import StrictUndefined, nodes
from jinja2.compiler import CodeGenerator, Frame
from jinja2.exceptions import SecurityError
from jinja2.filters import do_format
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment

MAX_TIMES = 1_000_000
"""Of a text or list that `*` makes."""
MAX_SIZE = 10_000_000
"""Characters of all that a template makes, and of each part; of what a filter or method is given, the
size of the value times that of the largest argument."""
PIECE = 10
"""What each part counts besides its length: a loop that makes nothing has an end, too."""
MAX_NUMBER = 100_000
"""Bits of a product; and a number that a filter or a text's method is given (a width, a count, a precision), as
jinja2's `range` has it."""

_PADDED = re.compile(r"%(?:[^A-Za-z%]*(?:\d{4}|\*)|\(.*\d{4})", re.DOTALL)
"""A `%` whose width has four digits, or is given."""
_PASSED_ON = frozenset(
    {"d", "default", "map", "select", "selectattr", "reject", "rejectattr", "sort", "groupby", "dictsort"}
)
"""Filters that only choose, or leave it to others."""


class _Generator(CodeGenerator):
    def visit_Concat(self, node: nodes.Concat, frame: Frame) -> None:  # noqa: N802 (jinja2's name)
        self.write("environment.joined((")
        for part in node.nodes:
            self.visit(part, frame)
            self.write(", ")
        self.write("))")


class PromptEnvironment(ImmutableSandboxedEnvironment):
    """Strict about names; without escapes for HTML, which would change a prompt. To compile a template runs nothing."""

    intercepted_binops = frozenset(("+", "*", "**", "%"))
    code_generator_class = _Generator

    def __init__(self) -> None:
        super().__init__(
            undefined=StrictUndefined,
            autoescape=False,
            keep_trailing_newline=False,
            optimized=False,
            finalize=_checked,
        )
        del self.globals["lipsum"]
        self.filters = {
            name: function if name in _PASSED_ON else _bounded(function)
            for name, function in self.filters.items()
        }

    @staticmethod
    def concat(parts: Iterable[str]) -> str:  # jinja2's is `"".join`
        """What a template, or a part of one, makes. Raises SecurityError."""
        kept, size = [], 0
        for part in parts:
            size += len(part) + PIECE
            if size > MAX_SIZE:
                raise _too_large()
            kept.append(part)
        return "".join(kept)

    def joined(self, parts: Iterable[Any]) -> str:
        """For `~`. Raises SecurityError."""
        return self.concat(str(_checked(part)) for part in parts)

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """Raises SecurityError for what would fill the memory."""
        if operator == "%" and isinstance(left, str):
            _check_format(left, right)
        elif operator == "**" and max(abs(left), abs(right)) > 1000:
            raise SecurityError("a power of such numbers is not worked out here")
        elif operator == "*":
            _check_repeated(left, right)
        elif operator == "+" and _size(left) + _size(right) > MAX_SIZE:
            raise _too_large()
        return super().call_binop(context, operator, left, right)

    def call(__self, __context: Context, __obj: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: N805 (as jinja2's)
        """Raises SecurityError, too, for arguments by which a method would fill the memory."""
        method = getattr(__obj, "__wrapped__", __obj)
        of = getattr(method, "__self__", None)
        args = tuple(_settled(one) for one in args)
        if isinstance(of, str) and method.__name__ in ("format", "format_map"):
            _check_format(of, (*args, kwargs))
        elif isinstance(of, str | bytes | int):
            _check_arguments(of, (*args, *kwargs.values()))
        return super().call(__context, __obj, *args, **kwargs)


def _bounded(function: Callable[..., Any]) -> Callable[..., Any]:
    """The filter, which is refused what would fill the memory."""
    first = 1 if hasattr(function, "jinja_pass_arg") else 0

    @wraps(function)
    def bounded(*args: Any, **kwargs: Any) -> Any:
        before, value, given = args[:first], _settled(args[first]), args[first + 1 :]
        if function is do_format:
            _check_format(str(value), (*given, kwargs))
        else:
            _check_arguments(value, (*given, *kwargs.values()))
        return function(*before, value, *given, **kwargs)

    return bounded


def _settled(value: Any) -> Any:
    """Of what is made while it is read, all."""
    if not isinstance(value, Iterator):
        return value
    kept, size = [], 0
    for one in value:
        size += _size(one)
        if size > MAX_SIZE:
            raise _too_large()
        kept.append(one)
    return kept


def _check_arguments(value: Any, given: Sequence[Any]) -> None:
    numbers = [abs(one) for one in given if isinstance(one, int | float)]
    _check_number(max(numbers, default=0))
    if _size(value) * max((1, *numbers, *map(_size, given))) > MAX_SIZE:
        raise _too_large()


def _check_number(number: float) -> None:
    if number > MAX_NUMBER:
        raise SecurityError(f"a number over {MAX_NUMBER:,} is too large here")


def _check_format(text: str, given: Any) -> None:
    """Raises ValueError, too, for what is no format."""
    specs = [spec or "" for _, _, spec, _ in Formatter().parse(text)] if "%" not in text else []
    if _PADDED.search(text) or any(re.search(r"\d{4}|\{", spec) for spec in specs):
        raise SecurityError("a format with such a width is not filled in here")
    if _size(text) * _size(given) > MAX_SIZE:
        raise _too_large()


def _check_repeated(left: Any, right: Any) -> None:
    if isinstance(left, int):
        left, right = right, left
    if isinstance(right, int) and not isinstance(left, int | float):
        if _size(left) * abs(right) > MAX_TIMES:
            raise _too_large()
    elif isinstance(left, int) and isinstance(right, int):
        _check_number(left.bit_length() + right.bit_length())


def _checked(value: Any) -> Any:
    """A value that is written out."""
    if _size(value) > MAX_SIZE:
        raise _too_large()
    return value


def _size(value: Any) -> int:
    """Of all that is in it, as far as it matters: what holds one thing many times is as large as if it held many."""
    size, waiting = 0, [value]
    while waiting and size <= MAX_SIZE:
        inner = waiting.pop()
        size += 1
        if isinstance(inner, str | bytes):
            size += len(inner)
        elif isinstance(inner, int):
            size += inner.bit_length()
        elif isinstance(inner, Mapping):
            waiting += [*inner.keys(), *inner.values()]
        elif isinstance(inner, list | tuple | set | frozenset | ItemsView | KeysView | ValuesView):
            waiting.extend(inner)
    return size


def _too_large() -> SecurityError:
    return SecurityError("what this makes is too large for a prompt")
