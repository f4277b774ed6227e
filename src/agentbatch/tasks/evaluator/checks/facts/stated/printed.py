"""What a task's text says that a command prints, or how it ends: "`python3 prog.py 5` prints `8`". Pure."""

import re
from collections.abc import Iterator
from itertools import islice

from agentbatch.patterns import regex
from agentbatch.tasks.evaluator.checks.facts.stated.commands import leaves_out, parts
from agentbatch.tasks.evaluator.checks.facts.stated.context import context
from agentbatch.tasks.evaluator.checks.facts.stated.example import StatedCommand

MAX_LINES = 20
MAX_ITEMS = 8
MAX_COMMANDS = 100
"""Commands of one text that are looked at."""

COMMAND = regex(r"`(?P<command>(?:python3?|node|bash|sh|\./|echo|printf)[^`\n]{2,300})`")
"""A command line as texts have it; `parts` says whether it is a plain one."""
_MODAL = r"(?P<should>(?:should|must|shall|has to|needs to)\s+|应该?|應該?|应当|必须|必須)?"
_IT = r"(?:,?\s*(?:it|this|the (?:program|script|command|tool|output))\s+)?"
_PRINTS = regex(
    rf"\s*(?:{_IT}\s*(?:[时時后後]?\s*[,，]?\s*(?:它|程序|程式|脚本|屏幕上?|终端上?)?)?{_MODAL}(?:will\s+|then\s+)?"
    r"(?:prints?|outputs?|displays?|shows?|gives?|yields?|reports?|says?|echoes"
    r"|[会會将將]?(?:输出|打印|显示|輸出|列印|印出|顯示)(?:的(?:内容|結果|结果)?)?[为是為]?)"
    r"|\s*(?:->|=>|→|⇒|⟶)"
    r"|(?P<of>\s*(?:is|should be|must be|will be)\b)"
    r"|的(?:打印|运行|執行)?(?:输出|輸出|结果|結果)(?:内容)?(?:应该?|應該?|必须|必須)?[是为為]"
    r"|の(?:実行)?(?:出力|結果)(?:は|が)[、,]?"
    r"|(?:を実行すると|は)[、,]?\s*(?:次|以下)の(?:ように|とおりに?|通りに?)(?:表示|出力)(?:します|されます|される|する|し)?[。、:：]?"
    r"|(?P<run>(?:[をと]実行(?:すると|したら|した(?:とき|時)(?:は|に)?)|は|で)[、,]?\s*(?:画面に|標準出力に)?))"
)
_OUTPUT_OF = regex(r"\boutput of (?:running )?$", re.IGNORECASE)
_LEADS = regex(
    r"(?:\s+to (?:stdout|standard output|the (?:screen|terminal|console)))?"
    r"(?:\s+(?:exactly|just|only|the (?:line|text|number|word|result|string)))?"
    r"(?:(?P<middle>[^`\"“”「」.;:：。；\n]{0,80})[:：])?"
)
_VAGUE = regex(
    r"\b(?:forma?t?|like|such|similar|kind|style|template|pattern|either|one of|any|some|nothing|example|usage)\b"
    r"|格式|类似|形如|例如|比如|或|のような|形式|例えば",
    re.IGNORECASE,
)
_ITEM = (
    r"`(?P<code>[^`\n]{1,300})`|\"(?P<quoted>[^\"\n]{1,300})\""
    r"|“(?P<curly>[^”\n]{1,300})”|「(?P<kagi>[^」\n]{1,300})」"
)
_SHOWN = regex(
    rf"(?:\s*\n[-*] |\s*)(?:{_ITEM}|```\w*\n(?P<block>(?:(?!```)[^\n]{{0,300}}\n){{1,20}})\s*```)"
    r"|[ \t]*(?P<number>-?\d{1,30}(?:\.\d{1,30})?)(?=[.,;)。，；]?(?:\s*$|\s*\n|\s+and\b))"
    r"|[ \t]*\n(?:[ \t]*\n)?(?P<indented>(?:(?:[ ]{4}|\t)[ \t]*\S[^\n]{0,300}(?:\n|$)){1,20})"
)
_NEXT = regex(rf"(?:\s*(?:\n(?:[-*] )?|[,，、]|\band\b|\bthen\b|和|以及|与|與|と|及び)){{1,2}}\s*(?:{_ITEM})")
_LAST = regex(
    r"\s*(?:[.;:)。；，,]|$|\n|を|と(?:表示|出力)|が(?:表示|出力)|です|and (?:exits?|ends?|nothing)"
    r"|to (?:stdout|standard)|on (?:two|three|separate|their)|each on|in (?:that|this)|两行|三行|各)"
)
"""What may stand behind the last of several; else it may be what something else is said of."""
_AFTER = regex(
    r"\s*(?:or|if|when|unless|for|followed|plus|per|somewhere)\b|\s*或|\s*in\b(?!\s+(?:that|this|two|separate)\b)"
)
_SHOWN_BY_RUN = regex(
    r"\s*[とをが](?:画面に|標準出力に)?(?:表示|出力|印字)(?!(?:し|され)(?:な|ません|ては|ず))"
)
"""What `は` and `を実行すると` are said of may be a file that is made, too."""
_EXITS = regex(
    r"(?:\s+(?:to|on)\s+(?:stderr|stdout|standard (?:error|output)))?(?:\s*,)?(?:\s*(?:and|then)){0,2}"
    r"(?:\s+it)?\s+(?:exits?|ends?)\s+(?:with\s+)?(?:(?:exit\s+)?(?:code|status)\s+)?"
    r"`?(\d{1,3})\b"
)
_ENDS = regex(
    rf"(?:\s+with(?:out| no)\s+(?:any\s+)?arguments?)?{_IT}\s*{_MODAL}(?:will\s+)?"
    r"(?:(?:prints?|shows?|gives?|writes?)\s[^.`;\n]{2,80}?\s(?:and|then)\s+)?(?:"
    r"exits?\s+(?:with\s+)?(?:an?\s+|the\s+)?(?:(?:exit[ -])?(?:code|status)\s+)?(?:of\s+)?"
    r"|(?:ends?|terminates?|finish(?:es)?|returns?)\s+(?:with\s+)?(?:an?\s+|the\s+)?"
    r"(?:exit[ -])?(?:code|status)\s+(?:of\s+)?"
    r"|[,，]?\s*(?:的|以|返回|时|時)*\s*(?:退出|返回|状态|結束)(?:状态)?(?:代?码|碼)\s*(?:应该?|應|必须)?[为是為]?\s*"
    r"|(?:を実行すると|は|の)[、,]?\s*終了コード(?:は|が)?\s*"
    r")`?(?P<code>\d{1,3})(?!\.?\d|[\w/%])`?",
    re.ASCII,
)
_NOT_SO = regex(r"\s*(?:ではな|じゃな|で(?:終了|終わ)[^。]{0,4}(?:ない|ません))|\s*(?:以外|或)|\s*-")


def stated_commands(text: str) -> Iterator[StatedCommand]:
    for found in islice(COMMAND.finditer(text), MAX_COMMANDS):
        if parts(found["command"]) is not None:
            stated = _printed(text, found) or _ended(text, found)
            if stated is not None:
                yield stated


def _printed(text: str, found: re.Match[str]) -> StatedCommand | None:
    relation = _PRINTS.match(text, found.end())
    if relation is None or (
        relation["of"] and not _OUTPUT_OF.search(text[max(0, found.start() - 40) : found.start()])
    ):
        return None
    leads = _LEADS.match(text, relation.end())
    first = _SHOWN.match(text, leads.end() if leads else relation.end())
    if first is None or (leads and leads["middle"] and _VAGUE.search(leads["middle"])):
        return None
    items, end = _items(text, first)
    if relation["run"] and not _SHOWN_BY_RUN.match(text, end):
        return None
    command = found["command"].strip()
    if any(leaves_out(command, item, text) for item in items) or _AFTER.match(text, end):
        return None
    if not context(text, found.start(), end).states(demanded=bool(relation["should"])):
        return None
    lines = [line.rstrip() for item in items for line in item.rstrip().split("\n")]
    exits = _EXITS.match(text, end)
    code = int(exits[1]) if exits else None
    return StatedCommand(command, tuple(lines[:MAX_LINES]), code, listed=len(items) > 1)


def _items(text: str, first: re.Match[str]) -> tuple[list[str], int]:
    """What is shown, and where that ends: several, where it is certain that all are meant."""
    one = next(text for text in first.groupdict().values() if text)
    items, end = [one], first.end()
    if first.lastgroup in ("block", "number", "indented"):
        return items, end
    while len(items) < MAX_ITEMS and (more := _NEXT.match(text, end)):
        item = next(text for text in more.groupdict().values() if text)
        if parts(item) is not None:
            break
        items.append(item)
        end = more.end()
    return (items, end) if _LAST.match(text, end) else ([one], first.end())


def _ended(text: str, found: re.Match[str]) -> StatedCommand | None:
    ends = _ENDS.match(text, found.end())
    if ends is None or _AFTER.match(text, ends.end()) or _NOT_SO.match(text, ends.end()):
        return None
    command = found["command"].strip()
    if leaves_out(command, "", text) or int(ends["code"]) > 255:
        return None
    certain = context(text, found.start(), ends.end()).states(demanded=bool(ends["should"]))
    return StatedCommand(command, (), int(ends["code"])) if certain else None
