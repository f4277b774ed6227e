"""Keeping key values out of everything that is stored, shown or sent."""

import json
from collections.abc import Iterable

MIN_SECRET = 8
"""Characters. A shorter key is a placeholder for a server without keys ("none", "x"): removing it would
eat ordinary words."""

MASK = "[redacted]"


class Redactor:
    """Replaces the configured key values in text. Built once a run from the settings' secrets."""

    def __init__(self, secrets: Iterable[str]) -> None:
        self._given = tuple(secrets)
        keys = {s for s in self._given if len(s) >= MIN_SECRET}
        # A key with a quote or a backslash looks different inside JSON text.
        keys |= {json.dumps(key)[1:-1] for key in keys}
        # Longest first, so that a key that contains another one is masked whole.
        self._secrets = sorted(keys, key=len, reverse=True)

    def add(self, secret: str) -> None:
        """One more, learnt while running: a key that a command has printed."""
        if secret not in self._given:
            self.__dict__.update(Redactor([*self._given, secret]).__dict__)

    @property
    def longest(self) -> int:
        """Bytes of the longest secret; 0 when there is none."""
        return max((len(secret.encode()) for secret in self._secrets), default=0)

    def mask_bytes(self, data: bytes) -> bytes:
        for secret in self._secrets:
            data = data.replace(secret.encode(), MASK.encode())
        return data

    def __call__(self, text: str) -> str:
        for secret in self._secrets:
            if secret in text:
                text = text.replace(secret, MASK)
        return text
