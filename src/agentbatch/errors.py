"""The one error that a person can mend."""


class UserError(Exception):
    """A mistake in a file, flag or setting: one sentence that says what is wrong, where, and what to do.

    The command line prints it without a traceback and exits with 2.
    """
