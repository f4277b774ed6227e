"""How contents go over the wire: each as its digest, its size and its bytes, one after another. Pure."""

import errno
import hashlib
import struct
from collections.abc import Collection

HEADER = struct.Struct("<32sQ")
"""sha256 and size of the content that follows."""


class Checker:
    """Holds a pack that comes in parts to what was asked for."""

    def __init__(self, expected: Collection[str]) -> None:
        self._expected = set(expected)
        self._digest = ""
        self._left = 0
        """Bytes of the content under way that are still to come."""
        self._hash = hashlib.sha256()
        self._head = b""
        """The beginning of a header that is not whole yet."""
        self.at = 0
        """Bytes so far."""
        self.whole = 0
        """Up to there all contents are whole and right."""

    def feed(self, part: bytes) -> list[tuple[str, int, int]]:
        """The contents that are whole with this part: digest, offset and size. Raises OSError for what is not what
        its digest says, and for what was not asked for; then the contents before it still hold."""
        found = []
        view = memoryview(part)
        while view or (self._digest and not self._left):
            if not self._digest:
                view = self._begin(view)
                continue
            taken, view = view[: self._left], view[self._left :]
            self._hash.update(taken)
            self._left -= len(taken)
            self.at += len(taken)
            if not self._left:
                found.append(self._end())
        return found

    def _begin(self, view: memoryview) -> memoryview:
        need = HEADER.size - len(self._head)
        self._head += view[:need]
        self.at += min(need, len(view))
        if len(self._head) == HEADER.size:
            digest, self._left = HEADER.unpack(self._head)
            self._digest, self._head, self._hash = digest.hex(), b"", hashlib.sha256()
            self._size = self._left
            if self._digest not in self._expected:
                raise OSError(errno.ESTALE, "A content was sent that was not asked for")
        return view[need:]

    def _end(self) -> tuple[str, int, int]:
        digest, self._digest = self._digest, ""
        if self._hash.hexdigest() != digest:
            raise OSError(errno.ESTALE, "A content changed while it was sent, or is not what its digest says")
        self._expected.discard(digest)
        self.whole = self.at
        return digest, self.at - self._size, self._size
