"""Templates of prompts: one may be a coder's work, so that nothing in it reaches past the values that it is given."""

from collections.abc import Sized
from typing import Any

from jinja2 import StrictUndefined
from jinja2.exceptions import SecurityError
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment

MAX_SIZE = 1_000_000
"""Of a text or list that an operator makes, and of the number that `**` is given."""


class PromptEnvironment(ImmutableSandboxedEnvironment):
    """Strict about names; without escapes for HTML, which would change a prompt. To compile a template runs nothing."""

    intercepted_binops = frozenset(("*", "**"))

    def __init__(self) -> None:
        super().__init__(
            undefined=StrictUndefined, autoescape=False, keep_trailing_newline=False, optimized=False
        )

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """Raises SecurityError for what would fill the memory."""
        texts = [side for side in (left, right) if isinstance(side, Sized)]
        sizes = [len(side) if isinstance(side, Sized) else abs(side) for side in (left, right)]
        if operator == "**" and max(sizes) > 1000:
            raise SecurityError("a power of such numbers is not worked out here")
        if operator == "*" and texts and sizes[0] * sizes[1] > MAX_SIZE:
            raise SecurityError("what this makes is too large for a prompt")
        return super().call_binop(context, operator, left, right)
