"""What a task's text states by example: a call and what comes out, a command and what it prints."""

from dataclasses import dataclass


@dataclass(frozen=True)
class StatedCall:
    """One call with literals alone, as Python has it."""

    function: str
    """The name that the module has to define: a function's, or a class's that is made first."""
    call: str
    """The whole expression, e.g. `slugify('A b')`."""
    expected: str = ""
    """The literal that it gives; empty: it raises."""
    raises: str = ""
    """Name of the exception's class; `Exception`: any."""
    module: str = ""
    """Named before the function, as in `text.slugify('A b')`."""
    exact: bool = True
    """A number is as written; else it may have been rounded to that."""
    ordered: bool = True
    """The items of a list stand in this order."""
    printed: bool = False
    """`expected` is what `print` shows of it."""

    @property
    def tells(self) -> bool:
        return True

    @property
    def outcome(self) -> str:
        """What should come of it, in words."""
        if self.raises:
            return f"raise {self.raises}" if self.raises != "Exception" else "raise an exception"
        return f"print {self.expected}" if self.printed else f"give {self.expected}"


@dataclass(frozen=True)
class StatedCommand:
    """One command line of a program of the work."""

    command: str
    lines: tuple[str, ...]
    """Lines that stand in its output, in this order."""
    exit_code: int | None = None
    """The exit code that is stated; None: none is."""
    listed: bool = False
    """The lines were named one after another: they may stand in one line as well."""
    ordered: bool = True
    """The lines come in this order."""
    described: bool = False
    """What it prints is described in words: it prints something."""

    @property
    def tells(self) -> bool:
        """That it comes out as stated tells something of the work."""
        return bool(self.lines) or self.exit_code is not None

    @property
    def outcome(self) -> str:
        """What should come of it, in words."""
        if self.lines:
            return f"print {' / '.join(self.lines)}"
        if self.exit_code is not None:
            return f"exit with {self.exit_code}"
        return "print something" if self.described else "run"


Example = StatedCall | StatedCommand
