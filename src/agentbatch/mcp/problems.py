"""What can be wrong with a server."""


class ServerProblem(Exception):
    """It cannot be used as it is, a sentence: it has ended, hangs, or does not keep to the protocol."""


class ServerRefusal(Exception):
    """It answered a request with an error, in its own words, and goes on."""
