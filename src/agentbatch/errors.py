"""The one error that a person can mend."""


class UserError(Exception):
    """A mistake in a file, flag or setting: one sentence that says what is wrong, where, and what to do.

    The command line prints it without a traceback and exits with 2.
    """


def cannot_be(done: str, what: object, error: OSError | ValueError) -> UserError:
    """What the system refused: `PATH cannot be read: Permission denied.` A ValueError is a null character in a name."""
    return UserError(f"{what} cannot be {done}: {getattr(error, 'strerror', None) or error}.")
