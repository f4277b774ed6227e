"""The errors that end a command with a sentence instead of a traceback."""


class UserError(Exception):
    """A mistake in a file, flag or setting: one sentence that says what is wrong, where, and what to do.

    The command line prints it without a traceback and exits with 2.
    """


class RunError(Exception):
    """A run that could not leave what it owes, for example on a full disk: one sentence, exit code 1."""
