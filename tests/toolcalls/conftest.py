"""Endpoints for tests of this room."""

from tests.support.endpoints import open_endpoint, serve

__all__ = ["open_endpoint", "serve"]
