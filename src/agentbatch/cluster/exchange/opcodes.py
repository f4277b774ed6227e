"""What a pickle of plain data is made of. One that somebody has made up can ask for gigabytes in nine bytes (a place in
the memo by its number, python/cpython#115952), which no look at the classes in it prevents: only what `pickle.dumps`
itself writes for what passes here is read at all. Pure."""

MAX_PARTS = 3_000_000
"""Of one answer. A snapshot has 15 a file, and 50,000 files at most."""

_COUNTED = {b"\x8c": 1, b"X": 4, b"\x8d": 8, b"C": 1, b"B": 4, b"\x8e": 8, b"\x8a": 1, b"\x8b": 4}
"""Text, bytes and long numbers: how many bytes say how long they are."""
_SIZED = {b"\x80": 1, b"\x95": 8, b"K": 1, b"M": 2, b"J": 4, b"G": 8, b"h": 1, b"j": 4}
"""With an argument of so many bytes: protocol, frame, numbers, what was remembered."""
_BARE = b"(.N\x88\x89)\x85\x86\x87t]ea}us\x8f\x90\x91\x94\x93\x81b"
"""None, booleans, tuples, lists, dicts and sets, what is remembered next, and an object by its class and fields."""

_REFUSED = 99
_STOP = b"."[0]
_ARGUMENT = [_REFUSED] * 256
"""By opcode: bytes of its argument, or, negative, of the number that says them."""
for _letter in _BARE:
    _ARGUMENT[_letter] = 0
for _code, _size in _SIZED.items():
    _ARGUMENT[_code[0]] = _size
for _code, _size in _COUNTED.items():
    _ARGUMENT[_code[0]] = -_size


def is_plain(data: bytes) -> bool:
    """Whether it is a pickle, and all of it, that holds plain data and nothing that `pickle.dumps` would not write."""
    at, end, argument = 0, len(data), _ARGUMENT
    for _ in range(MAX_PARTS):
        if at >= end:
            return False
        opcode = data[at]
        size = argument[opcode]
        at += 1
        if size < 0:
            at += int.from_bytes(data[at : at - size], "little") - size
        elif size == _REFUSED:
            return False
        else:
            at += size
        if opcode == _STOP:
            return at == end
    return False
