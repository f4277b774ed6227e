"""Templates of prompts: one may be a coder's work, so that nothing in it reaches past the values that it is given, and
nothing that it makes fills the memory."""

import re
from collections.abc import Callable, ItemsView, Iterable, Iterator, KeysView, Mapping, Sequence, ValuesView
from contextlib import contextmanager
from functools import wraps
from string import Formatter
from typing import Any

from jinja2 import StrictUndefined, Template, TemplateSyntaxError, nodes
from jinja2.compiler import CodeGenerator, Frame, operators
from jinja2.exceptions import SecurityError
from jinja2.filters import do_format
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment

from agentbatch.patterns import regex

MAX_TIMES = 1_000_000
"""Of a text or list that `*` makes."""
MAX_SIZE = 10_000_000
"""Characters of all that a template makes, and of each part; of what a filter or method is given, the
size of the value times that of the largest argument."""
PIECE = 10
"""What each part counts besides its length: a loop that makes nothing has an end, too."""
MAX_WORK = 20_000_000
"""Of one rendering: ROUND for each of a loop, and the size of all that filters, tests, calls and comparisons get.
It takes seconds."""
ROUND = 400
MAX_TEMPLATE = 200_000
"""Characters. Ours have four thousand; to compile a million takes a minute and gigabytes."""
MAX_NUMBER = 100_000
"""Bits of a product; and a number that a filter or a text's method is given (a width, a count, a precision), as
jinja2's `range` has it."""

_PADDED = regex(r"%(?:[^A-Za-z%]*(?:\d{4}|\*)|\(.*\d{4})", re.DOTALL)
"""A `%` whose width has four digits, or is given."""
COUNTED = "counted"
"""The filter through which every loop goes."""
_PASSED_ON = frozenset(
    {"d", "default", "map", "select", "selectattr", "reject", "rejectattr", "sort", "groupby", "dictsort"}
)
"""Filters that only choose, or leave it to others."""


class _Generator(CodeGenerator):
    """What is compared or looked up is weighed: to do that with what holds one thing many times
    takes as long as if it held many."""

    def visit_Compare(self, node: nodes.Compare, frame: Frame) -> None:  # noqa: N802 (jinja2's names)
        self.write("(")
        self._weighed(node.expr, frame)
        for operand in node.ops:
            self.write(f" {operators[operand.op]} ")
            self._weighed(operand.expr, frame)
        self.write(")")

    def visit_Dict(self, node: nodes.Dict, frame: Frame) -> None:  # noqa: N802
        self.write("{")
        for pair in node.items:
            self._weighed(pair.key, frame)
            self.write(": ")
            self.visit(pair.value, frame)
            self.write(", ")
        self.write("}")

    def _weighed(self, node: nodes.Node, frame: Frame) -> None:
        self.write("environment.weighed(")
        self.visit(node, frame)
        self.write(")")

    def visit_Concat(self, node: nodes.Concat, frame: Frame) -> None:  # noqa: N802
        self.write("environment.joined((")
        for part in node.nodes:
            self.visit(part, frame)
            self.write(", ")
        self.write("))")


class _Template(Template):
    def render(self, *args: Any, **kwargs: Any) -> str:
        if isinstance(self.environment, PromptEnvironment):
            self.environment.worked = 0
        return super().render(*args, **kwargs)


class PromptEnvironment(ImmutableSandboxedEnvironment):
    """Strict about names; without escapes for HTML, which would change a prompt. To compile a template runs nothing."""

    intercepted_binops = frozenset(("+", "*", "**", "%"))
    code_generator_class = _Generator
    template_class = _Template

    def __init__(self) -> None:
        super().__init__(
            undefined=StrictUndefined,
            autoescape=False,
            keep_trailing_newline=False,
            optimized=False,
            finalize=_checked,
        )
        del self.globals["lipsum"]
        self.worked = 0
        """As MAX_WORK counts it, of the rendering under way."""
        self.filters = {
            name: self._bounded(function, checked=name not in _PASSED_ON)
            for name, function in self.filters.items()
        }
        self.filters[COUNTED] = self._counted
        self.tests = {name: self._weighing(function) for name, function in self.tests.items()}

    def parse(self, source: str, name: str | None = None, filename: str | None = None) -> nodes.Template:
        """Raises TemplateSyntaxError, too, for what is too long or too deep."""
        if len(source) > MAX_TEMPLATE:
            raise TemplateSyntaxError(f"a prompt has at most {MAX_TEMPLATE:,} characters", 1)
        with _as_syntax_error():
            parsed = super().parse(source, name, filename)
            for loop in list(parsed.find_all(nodes.For)):
                if loop.recursive:  # what it is called with is not counted
                    raise TemplateSyntaxError("a recursive loop is not for a prompt", loop.lineno)
                loop.iter = nodes.Filter(loop.iter, COUNTED, [], [], None, None)
            return parsed

    def from_string(self, source: str | nodes.Template, *args: Any, **kwargs: Any) -> Template:
        """As `parse`."""
        parsed = self.parse(source) if isinstance(source, str) else source
        with _as_syntax_error():
            return super().from_string(parsed, *args, **kwargs)

    def weighed(self, value: Any) -> Any:
        """The value, once its size is counted. Raises SecurityError."""
        self.work(_size(value))
        return value

    def work(self, amount: int) -> None:
        """Raises SecurityError where it is too much."""
        self.worked += amount
        if amount > MAX_SIZE or self.worked > MAX_WORK:
            raise SecurityError("what this does takes too long for a prompt")

    def _counted(self, values: Iterable[Any]) -> Iterator[Any]:
        for value in values:
            self.work(ROUND)
            yield value

    def _weighing(self, test: Any) -> Callable[..., Any]:
        @wraps(test)
        def weighing(*args: Any, **kwargs: Any) -> Any:
            for value in args:
                self.work(_size(value))
            return test(*args, **kwargs)

        return weighing

    def getitem(self, obj: Any, argument: Any) -> Any:
        return super().getitem(obj, self.weighed(argument))

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
        __self.work(sum(map(_size, (of, *args, *kwargs.values()))))
        if isinstance(of, str) and method.__name__ in ("format", "format_map"):
            _check_format(of, (*args, kwargs))
        elif isinstance(of, str | bytes | int):
            _check_arguments(of, (*args, *kwargs.values()))
        return super().call(__context, __obj, *args, **kwargs)

    def _bounded(self, function: Callable[..., Any], *, checked: bool) -> Callable[..., Any]:
        """The filter, which is refused what would take too long and, if it is `checked`, fill the memory."""
        first = 1 if hasattr(function, "jinja_pass_arg") else 0

        @wraps(function)
        def bounded(*args: Any, **kwargs: Any) -> Any:
            before, value, given = args[:first], _settled(args[first]), args[first + 1 :]
            self.work(_size(value))
            if function is do_format:
                _check_format(str(value), (*given, kwargs))
            elif checked:
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
    if isinstance(value, str) and len(value) < MAX_SIZE:  # nearly all
        return value
    if _size(value) > MAX_SIZE:
        raise _too_large()
    return value


def _size(value: Any) -> int:
    """Of all that is in it, as far as it matters: what holds one thing many times is as large as if it held many."""
    size, waiting, seen = 0, [value], 0
    while waiting and size <= MAX_SIZE:
        inner = waiting.pop()
        size, seen = size + 1, seen + 1
        if seen > MAX_TIMES:
            return MAX_SIZE + 1
        if isinstance(inner, str | bytes):
            size += len(inner)
        elif isinstance(inner, int):
            size += inner.bit_length()
        elif isinstance(inner, range):
            size += len(inner)
        elif isinstance(inner, Mapping):
            waiting += [*inner.keys(), *inner.values()]
        elif isinstance(inner, list | tuple | set | frozenset | ItemsView | KeysView | ValuesView):
            waiting.extend(inner)
    return size


@contextmanager
def _as_syntax_error() -> Iterator[None]:
    try:
        yield
    except TemplateSyntaxError:
        raise
    except (
        RecursionError,
        SyntaxError,
        ValueError,
        MemoryError,
    ):  # of Python's own compiler, and of its numbers
        raise TemplateSyntaxError("it is nested too deeply, or has too large a number", 1) from None


def _too_large() -> SecurityError:
    return SecurityError("what this makes is too large for a prompt")
