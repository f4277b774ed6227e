"""In which form a file is written, and what can be told of it from its text alone. Pure."""

import re
from collections.abc import Iterable
from itertools import islice
from typing import Literal

from agentbatch.patterns import regex
from agentbatch.tasks.evaluator.checks.tampering import may_name, named_in
from agentbatch.workspace.workspace import FileEntry

Form = Literal["Python", "JSON", "TOML", "XML", "YAML", "shell", "JavaScript", "text"]
"""`text`: nothing is known of it but that it is text."""

_FORMS: dict[str, Form] = {
    **dict.fromkeys(("py", "pyi", "pyw"), "Python"),
    **dict.fromkeys(("json", "geojson", "webmanifest", "ipynb"), "JSON"),
    "toml": "TOML",
    **dict.fromkeys(("xml", "svg", "xsd", "xsl", "xslt", "rss", "atom"), "XML"),
    **dict.fromkeys(("yaml", "yml"), "YAML"),
    **dict.fromkeys(("sh", "bash"), "shell"),
    **dict.fromkeys(("js", "mjs", "cjs"), "JavaScript"),
    **dict.fromkeys(("txt", "md", "rst", "csv", "tsv", "html", "htm", "css", "ini", "cfg", "sql"), "text"),
    **dict.fromkeys(("ts", "tsx", "jsx", "go", "rs", "c", "h", "cpp", "hpp", "java", "rb", "php"), "text"),
}

MAX_EMPTY = 100
"""Empty files that are named; fewer are told."""

_CODE = regex(r"\.(py|pyi|js|mjs|cjs|ts|tsx|jsx|sh|bash|go|rs|c|cc|cpp|hpp|java|kt|rb|php|pl|lua|cs|swift)$")
_MAY_BE_EMPTY = regex(r"(__init__|conftest)\.pyi?|\..*")
_EMPTY_WANTED = regex(
    r"\b(empty|blank)\s+(\w+\s+){0,2}(files?|modules?|packages?|scripts?)\b|\b(empty|blank)\s+[`'\"]?[\w./-]+\.\w"
    r"|\btouch\b|\bplaceholders?\b|\bzero[- ](byte|length|size)|\b(be|is|left|stays?|remains?|kept?) (empty|blank)\b"
    r"|空文件|空的文件|空白|空のファイル|空ファイル|为空",
    re.IGNORECASE,
)

_BROKEN_FOLDERS = regex(
    r"(fixtures?|testdata|test[-_]data|bad|invalid|broken|malformed|corrupt(ed)?|templates?|skeletons?|cookiecutter)",
    re.IGNORECASE,
)
_BROKEN_NAMES = regex(r"(^|[-_.])(bad|invalid|broken|malformed|corrupt(ed)?)([-_.]|$)|[{}%$]", re.I)
_BROKEN = r"(invalid|malformed|broken|corrupt(ed)?|damaged|unparsable)\s+(\w+\s+){0,3}"
_BROKEN_DATA_WANTED = regex(
    r"\b(writes?|creates?|adds?|makes?|generates?|produces?|saves?|stores?|includes?|contains?|puts?|keeps?|tests?|has|have)\s+"
    r"([\w./`'\"-]+\s+){0,3}"
    + _BROKEN
    + r"(files?|json|toml|ya?ml|xml|samples?|examples?|documents?|configs?|configurations?)\b"
    r"|\b(must|should)\s*(not|n['’]t) parse\b|(写|创建|生成|添加|提供)[^。\n]{0,20}(无效的?(文件|JSON)|损坏)"
    r"|(不正な|壊れた)[^。\n]{0,20}(作成|作る|書|生成)",
    re.IGNORECASE,
)
"""The task asks for such files: one that is about them, and only reads them, does not."""
_BROKEN_CODE_WANTED = regex(
    r"\b(writes?|creates?|adds?|makes?|generates?|includes?|puts?|keep)\b[^.\n]{0,80}\b(syntax errors?|"
    + _BROKEN
    + r"(python|scripts?|syntax|source|code|programs?|modules?|files?)\b)|语法错误",
    re.IGNORECASE,
)
_PYTHON2 = regex(r"\bpython[ -]?2(\.\d+)?\b", re.IGNORECASE)
_LEAVES_PYTHON2 = regex(r"\bfrom\s+(\w+\s+){0,2}python[ -]?2|\bpython[ -]?3|2\s*to\s*3\b", re.IGNORECASE)
"""It is to run on Python 3, perhaps too."""
_PYTHON2_SYNTAX = regex(
    r"^[ \t]*(?:print[ \t]+(?:[\w'\"]|>>)|print[ \t]*$|exec[ \t]+[\w'\"]|except[ \t]+[\w.]+,[ \t]*\w+[ \t]*:"
    r"|raise[ \t]+[\w.]+,)|\bur['\"]|<>",
    re.MULTILINE,
)
_WITH_COMMENTS = regex(r"([tj]sconfig|deno|api-extractor|devcontainer)[.\w-]*\.json|\.\w+rc\.json")
_COMMENT = regex(r"^[^\S\n]*(//|/\*)", re.MULTILINE)
_BINARY_WANTED = regex(r"\bbinary\b|\bNUL\b|null (byte|character)|\\x00|\\0|二进制|バイナリ", re.IGNORECASE)
_TEMPLATE = regex(r"\{%-? ?\w|\{\{|<%[=-]? |\$\{\w")
_PYTHON_TEMPLATE = regex(r"\{%-? \w+ [^%\n]{1,200}%\}|\{\{ ?cookiecutter\.")
_SHEBANG = regex(r"#! ?(?:/usr/bin/env (?:-S )?)?(?:[\w./-]*/)?(bash|sh|dash|python3?(?:\.\d+)?|\w+)\b")

_CONFLICT = tuple(regex(mark, re.MULTILINE) for mark in (r"^<<<<<<< ", r"^=======\r?$", r"^>>>>>>> "))
_CONFLICT_WANTED = regex(r"conflict|merge|<<<<<<<|冲突|合并|競合", re.IGNORECASE)


def form_of(path: str, entry: FileEntry, task: str) -> Form | None:
    """The form in which the file has to be sound; None: there is nothing to be told of it, or it may be broken on
    purpose. `task`: the task's text, which may ask for broken files."""
    *folders, name = path.split("/")
    if entry.kind != "file" or entry.size == 0 or _BROKEN_NAMES.search(name.rsplit(".", 1)[0]):
        return None
    if any(_BROKEN_FOLDERS.fullmatch(folder) or "{{" in folder for folder in folders):
        return None
    text = entry.text or ""
    form = _form(name, _program(text))
    match form:
        case None:
            return None
        case "text":
            return form if entry.text is None and not _BINARY_WANTED.search(task) else None
        case "Python" | "JavaScript" | "shell":
            return None if _may_be_broken_code(form, text, task) else form
        case "JSON" if _WITH_COMMENTS.fullmatch(name) or any(folder.startswith(".") for folder in folders):
            return None  # JSON with comments
        case "JSON" if _COMMENT.search(text) and not named_in(task, path):
            return None
    return None if _BROKEN_DATA_WANTED.search(task) or _TEMPLATE.search(text) else form


def _may_be_broken_code(form: Form, text: str, task: str) -> bool:
    if _BROKEN_CODE_WANTED.search(task):
        return True
    if form == "Python":
        old = "python2" in text[:40] or (_wants_python2(task) and _PYTHON2_SYNTAX.search(text))
        return bool(old or _PYTHON_TEMPLATE.search(text))
    return form == "JavaScript" and (
        "@flow" in text[:500] or any(mark in text for mark in ("<%", "{{ ", "{% "))
    )


def stays_python2(before: FileEntry | None, task: str) -> bool:
    """It was Python 2 when the task began, which does not ask for anything else."""
    old = before is not None and _PYTHON2_SYNTAX.search(before.text or "") is not None
    return old and _LEAVES_PYTHON2.search(task) is None


def _wants_python2(task: str) -> bool:
    return _PYTHON2.search(task) is not None and _LEAVES_PYTHON2.search(task) is None


def _program(text: str) -> str:
    """What the first line says runs the file."""
    found = _SHEBANG.match(text[:200])
    return found[1] if found else ""


def _form(name: str, program: str) -> Form | None:
    ending = name.rsplit(".", 1)[-1].lower() if "." in name.lstrip(".") else ""
    if ending in ("sh", "bash") or not ending:
        if program in ("bash", "sh", "dash"):
            return "shell"
        if program.startswith("python") and not ending:
            return "Python"
        return "shell" if ending and not program else None
    return _FORMS.get(ending)


def conflict_line(path: str, text: str, before: str | None, task: str) -> int:
    """Where a merge was left unfinished: the line of its first mark; 0: nowhere, or it was there before, or the
    task is about such marks."""
    place = _conflict(text)
    if place < 0 or _CONFLICT_WANTED.search(task) or (before is not None and _conflict(before) >= 0):
        return 0
    folders = path.split("/")[:-1]
    return 0 if any(map(_BROKEN_FOLDERS.fullmatch, folders)) else text.count("\n", 0, place) + 1


def _conflict(text: str) -> int:
    """The place of the first of the three marks, which follow each other; -1: they do not."""
    places = []
    start = 0
    for mark in _CONFLICT:
        found = mark.search(text, start)
        if found is None:
            return -1
        places.append(found.start())
        start = found.end()
    return places[0]


def empty_files(added: Iterable[tuple[str, FileEntry]], task: str) -> list[str]:
    """Which added files are empty though they are code, or the task asks for them by name."""
    if _EMPTY_WANTED.search(task):
        return []
    empty = (path for path, entry in added if _is_empty(entry) and _needs_content(path, task))
    return [*islice(empty, MAX_EMPTY)]


def _is_empty(entry: FileEntry) -> bool:
    return entry.kind == "file" and (entry.size == 0 or (entry.text is not None and not entry.text.strip()))


def _needs_content(path: str, task: str) -> bool:
    *folders, name = path.split("/")
    if _MAY_BE_EMPTY.fullmatch(name) or any(map(_BROKEN_FOLDERS.fullmatch, folders)):
        return False
    if _CODE.search(name):
        return True
    if not may_name(task, name):
        return False
    wanted = (
        r"(\b(write|writes|create|creates|make|makes|add|produce|produces|generate|generates)\s+"
        r"((a|an|the|new|file|named|called|short|into|to)\s+){0,3}|[写建成]\S{0,6}\s?)[`'\"]?(\./)?"
        + re.escape(name)
    )
    return re.search(wanted + r"(?![\w-])", task, re.IGNORECASE) is not None
