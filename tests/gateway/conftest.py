"""Upstreams for tests of this room."""

from tests.support.endpoints import serve

__all__ = ["serve"]
