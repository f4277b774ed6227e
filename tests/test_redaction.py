import base64
import html
import json
from collections.abc import Callable
from urllib.parse import quote

import pytest

from agentbatch.redaction import MASK, Redactor, redact_strings, secrets_in, shown_url

KEY = "sk-proj-T3BlbkFJx9Qz7LmW2vRt5YhN8cKd0PaE4sGu6Xj1"
OTHER = "nvapi+8Zq/Lw3=Tt0Yb5Rk7"
REDACT = Redactor([KEY, OTHER])


def test_keys_are_masked_whole_also_inside_json() -> None:
    redact = Redactor(["abcdefgh", "abcdefgh-and-more", 'qu"ote\\8'])
    assert redact("x abcdefgh-and-more y abcdefgh z") == f"x {MASK} y {MASK} z"
    assert "ote" not in redact(json.dumps({"k": 'qu"ote\\8'}))


def test_placeholders_do_not_eat_words() -> None:
    assert Redactor(["none", "x", ""])("none of x") == "none of x"
    assert Redactor([])(KEY) == KEY


def every(join: str) -> Callable[[str], str]:
    return lambda key: join.join(key)


def base64_behind(before: bytes) -> Callable[[str], str]:
    return lambda key: base64.b64encode(before + key.encode() + b"!!").decode()


def nested(join: str) -> Callable[[str], str]:
    return lambda key: json.dumps(json.dumps(join.join(key))[1:-1])[1:-1]


FORMS: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "capitals": str.upper,
    "small letters": str.lower,
    "backwards": lambda key: key[::-1],
    "backwards, in capitals": lambda key: key[::-1].upper(),
    "hexadecimal": lambda key: key.encode().hex(),
    "base64": lambda key: base64.b64encode(key.encode()).decode(),
    "base64, one before": base64_behind(b":"),
    "base64, two before": base64_behind(b"u:"),
    "base64, many before": base64_behind(b"Bearer "),
    "base64 for URLs": lambda key: base64.urlsafe_b64encode(b"user:" + key.encode()).decode(),
    "base64, wrapped": lambda key: base64.encodebytes(2 * key.encode()).decode(),
    "URL": lambda key: quote(key, safe=""),
    "URL, every character": lambda key: "".join(f"%{ord(c):02x}" for c in key),
    "URL, every character, capitals": lambda key: "".join(f"%{ord(c):02X}" for c in key),
    "JSON": lambda key: json.dumps(key)[1:-1],
    "JSON, by numbers": lambda key: "".join(f"\\u{ord(c):04x}" for c in key),
    "C, by numbers": lambda key: "".join(f"\\x{ord(c):02x}" for c in key),
    "HTML": html.escape,
    "HTML, by numbers": lambda key: "".join(f"&#{ord(c)};" for c in key),
    "HTML, by hexadecimal numbers": lambda key: "".join(f"&#x{ord(c):X};" for c in key),
    "line ends inside": every("\n"),
    "NUL inside": every("\0"),
    "bell once": lambda key: key[:20] + "\a" + key[20:],
    "colours inside": every("\x1b[31m"),
    "a title inside": lambda key: key[:9] + "\x1b]0;title\a" + key[9:],
    "no width": every("\u200b"),
    "soft hyphens": every("\u00ad"),
    "joiners": every("\u2060"),
    "byte order marks": every("\ufeff"),
    "a control sign, as JSON has it": lambda key: json.dumps(key[:10] + "\0" + key[10:])[1:-1],
    "a line end, as JSON has it": lambda key: json.dumps("\n".join(key))[1:-1],
    "C, octal": lambda key: "".join(f"\\{ord(c):03o}" for c in key),
    "C, octal, short": lambda key: "".join(f"\\{ord(c):o}" for c in key),
    "colours, as a program has them": every("\\033[1m"),
    "colours, as JSON has them": lambda key: json.dumps("\x1b[31m".join(key))[1:-1],
    "line ends, as JSON in JSON has them": nested("\n"),
    "line ends, as JSON in JSON in JSON has them": lambda key: json.dumps(nested("\n")(key))[1:-1],
    "no width, as JSON in JSON has it": nested("\u200b"),
    "colours, as JSON in JSON has them": nested("\x1b[31m"),
    "the end cut off": lambda key: key[:-6],
    "the beginning cut off": lambda key: key[7:],
}  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("key", [KEY, OTHER], ids=["long", "signs"])
def test_a_key_is_found_in_every_form(form: str, key: str) -> None:
    written = FORMS[form](key)
    if "cut off" in form and key is OTHER:
        pytest.skip("what is left of a short key is no key")
    for before, after in (("", ""), ("x = '", "'\n"), ("中文 “", "” end"), ("a\\b c%20d ", " &amp; e")):
        masked = REDACT(before + written + after)
        assert MASK in masked, written
        assert masked.startswith(before) or "base64" in form
        assert masked.endswith(after)
        letters = "".join(c for c in masked.replace(MASK, "|") if c.isalnum() or c == "|")
        assert not any(piece in letters for piece in pieces(written)), masked
    assert MASK.encode() in REDACT.mask_bytes(b"\xff\xfe" + written.encode() + b"\xff")


def pieces(written: str) -> set[str]:
    """Ten letters or digits in a row of what was written."""
    letters = "".join(filter(str.isalnum, written))
    return {letters[at : at + 10] for at in range(8, len(letters) - 18)}


INNOCENT = [
    "",
    "sk-proj-",
    "see https://platform.example/keys: keys begin with sk-proj-T3Blb",
    "def f(x):\n\treturn '%d%%' % x  # \\n \\u0041 &amp; &#65;",
    "C:\\nothing\\token\\run",
    "中文 “quotes” – dashes … \u200bzero",
    KEY[:12] + " " + KEY[12:24],
    base64.b64encode(b"something else that is as long as the key is, or longer").decode(),
    "\x1b[31mred\x1b[0m\a\0",
    "\ud800 half a pair",
    "\\ud83d\\ude00 \\u4f60 \\\\n \\033[31m \\163 C:\\\\new",
]


@pytest.mark.parametrize("text", INNOCENT)
def test_other_text_stays_as_it_is(text: str) -> None:
    assert REDACT(text) == text
    raw = text.encode("utf-8", "surrogatepass") + b"\xff\xc2"
    assert REDACT.mask_bytes(raw) == raw


@pytest.mark.parametrize(
    "before", ["", "plain", "\x1b]0;", "\x1b[", "\x1b", "\\", "%4", "&#x0", "\\u00", "\\x4", "\ud83d"]
)
def test_texts_that_are_looked_at_as_one_come_out_as_one_by_one(before: str) -> None:
    texts = [text for form in FORMS for key in (KEY, OTHER) for text in (before, FORMS[form](key), before)]
    assert REDACT.each(texts) == [REDACT(text) for text in texts]
    for form in FORMS:
        for pair in ([before, FORMS[form](KEY)], [FORMS[form](KEY), before], [KEY[:9] + before, KEY[9:]]):
            assert REDACT.each(pair) == [REDACT(text) for text in pair]
    assert REDACT.each(INNOCENT) == INNOCENT
    assert REDACT.each([]) == []


def test_only_the_key_goes_and_every_time() -> None:
    text = f"a%20b {KEY}\n{KEY.upper()}\\n{KEY[::-1]} é {KEY}{KEY}"
    assert REDACT(text) == f"a%20b {MASK}\n{MASK}\\n{MASK} é {MASK}{MASK}"


def test_a_backslash_before_a_key_is_no_escape() -> None:
    redact = Redactor(["token-0123456789", "n0123456789abcdefghijklmnopqrstuvwxyz"])
    assert redact("C:\\token-0123456789") == f"C:{MASK}"
    assert "0123456789" not in redact("C:\\n0123456789abcdefghijklmnopqrstuvwxyz")


def test_a_document_is_masked_before_it_is_written() -> None:
    given = {"a": [f"x{KEY}", 1, None, True], KEY: {"b": KEY[:10] + "\0" + KEY[10:]}, "c": (KEY,)}
    assert redact_strings(given, REDACT) == {"a": [f"x{MASK}", 1, None, True], MASK: {"b": MASK}, "c": [MASK]}


ADDRESSES = {
    "https://api.example/v1": ("https://api.example/v1", []),
    "http://user:pass@127.0.0.1:80/v1": (f"http://{MASK}@127.0.0.1:80/v1", ["user", "pass"]),
    "https://tok%40en@host": (f"https://{MASK}@host", ["tok%40en", "tok@en"]),
    "https://h/v1?api-version=2024-02-01&api-key=abc": (f"https://h/v1?api-version=2024-02-01&api-key={MASK}", ["abc"]),
    "https://h/v1?X-Amz-Signature=s1&sig=s2#access_token=s3": (
        f"https://h/v1?X-Amz-Signature={MASK}&sig={MASK}#access_token={MASK}", ["s1", "s2", "s3"]),
    "https://h/?%6bey=abc": (f"https://h/?%6bey={MASK}", ["abc"]),
    "user:pass@proxy:3128": (f"{MASK}@proxy:3128", []),
    "https://h/a@b?x=c@d": ("https://h/a@b?x=c@d", []),
    "https://[::1": ("https://[::1", []),
    "": ("", []),
}  # fmt: skip


@pytest.mark.parametrize("url", ADDRESSES)
def test_what_of_an_address_is_secret(url: str) -> None:
    assert (shown_url(url), secrets_in(url)) == ADDRESSES[url]


def test_a_key_that_a_command_prints_later_is_masked_from_then_on() -> None:
    redact = Redactor(["sk-first-key-1111"])
    assert redact("sk-second-key-2222") == "sk-second-key-2222"
    redact.add("sk-second-key-2222")
    redact.add("sk-second-key-2222")
    assert redact("sk-first-key-1111 sk-second-key-2222") == f"{MASK} {MASK}"
    assert redact.mask_bytes(b"sk-second-key-2222") == MASK.encode()
