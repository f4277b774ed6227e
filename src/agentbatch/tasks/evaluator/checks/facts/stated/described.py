"""Commands of which a task's text describes in words what they print: "`python3 prog.py 15` prints one word a line".
That they print anything can be told of them, and no more. Pure."""

import re
from collections.abc import Iterator
from itertools import islice

from agentbatch.patterns import regex
from agentbatch.tasks.evaluator.checks.facts.stated.commands import leaves_out
from agentbatch.tasks.evaluator.checks.facts.stated.context import context
from agentbatch.tasks.evaluator.checks.facts.stated.example import StatedCommand
from agentbatch.tasks.evaluator.checks.facts.stated.named import is_harmless
from agentbatch.tasks.evaluator.checks.facts.stated.printed import COMMAND, MAX_COMMANDS

_PRINTS = regex(
    r"(?:,?\s*(?:it|this|the (?:program|script|command|tool))\b)?\s*"
    r"(?P<should>(?:should|must|shall|has to)\s+)?(?:will\s+)?"
    r"(?:prints?|outputs?|displays?)\s+(?:exactly\s+)?"
    r"(?:(?:the|its|a|an|one|two|three|four|five|how|\d{1,9})\s+(?:[^.;\n]|\.(?=\w)){2,200}|`|\"|“|[^.;\n]{0,80}:)"
    r"|\s*[时時后後]?\s*[,，]?\s*(?:它|程序|程式|脚本)?(?:应该?|應該?|必须|必須)?[会會将將]?(?:输出|打印|显示|輸出|列印|印出|顯示)"
    r"[^。；;\n]{2,200}"
    r"|\s*(?:を実行すると|は)[、,]?[^。；\n]{2,100}?[をがと](?:画面に|標準出力に)?(?:表示|出力|印字)(?!ファイル)[^。\n]{0,20}"
)
_MAY_BE_SILENT = regex(
    r"\b(?:no|not|nothing|none|never|nor|neither|any|all|each|every|only|if|when|unless|until|where|that|which|whose"
    r"|matching|matches|missing|errors?|problems?|warnings?|duplicates?|duplicated|differences?|failed|invalid|empty|blank"
    r"|lines (?:of|from|in|with)|(?:to|into|in) (?:(?:a|the|its) )?(?:file|log|[\w./]+\.\w+)|or)\b"
    r"|不|无|無|没|沒|若|如果|当|當|所有|每|匹配|错误|錯誤|重复|重複|文件|空|或"
    r"|ない|ません|なし|もし|場合|すべて|全て|各|一致|エラー|ファイル|空|とき",
    re.IGNORECASE,
)


def described_commands(text: str) -> Iterator[StatedCommand]:
    """Those that print something for certain."""
    for found in islice(COMMAND.finditer(text), MAX_COMMANDS):
        if not is_harmless(found["command"]):
            continue
        says = _PRINTS.match(text, found.end())
        if says is None or _MAY_BE_SILENT.search(says[0]) or leaves_out(found["command"], "", text):
            continue
        if context(text, found.start(), says.end()).states(demanded=bool(says["should"])):
            yield StatedCommand(found["command"].strip(), (), described=True)
