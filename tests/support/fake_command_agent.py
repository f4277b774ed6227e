"""A coding agent that is a command, scripted: `python fake_command_agent.py SCRIPT ARGUMENTS...`.

SCRIPT is a JSON list with a list of steps for each run; the last is played again. Each run is noted in HOME.
"""

import json
import os
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any


def play(step: dict[str, Any]) -> None:
    out = sys.stdout.buffer
    match step:
        case {"line": line}:
            out.write(json.dumps(line).encode() + b"\n")
        case {"raw": text, **more}:
            out.write(text.encode("latin-1") * int(more.get("times", 1)))
        case {"error": text}:
            sys.stderr.write(text + "\n")
        case {"write": path, "text": text}:
            Path(path).write_text(text)
        case {"daemon": word}:
            subprocess.Popen(
                ["python3", "-c", "import time; time.sleep(600)", word],
                start_new_session=True,
                stdout=subprocess.DEVNULL,
            )
        case {"call": text}:
            body = {"model": "some-small-one", "messages": [{"role": "user", "content": text}]}
            asked = urllib.request.Request(
                f"{os.environ['FAKE_URL']}/chat/completions",
                json.dumps(body).encode(),
                {"Authorization": f"Bearer {os.environ['FAKE_TOKEN']}", "Content-Type": "application/json"},
            )
            with urllib.request.urlopen(asked) as answer:
                answer.read()
        case {"sleep": seconds}:
            out.flush()
            time.sleep(seconds)
        case {"exit": code}:
            out.flush()
            os._exit(code)
    out.flush()


def main() -> None:
    script, *arguments = sys.argv[1:]
    heard = Path(os.environ.get("HEARD") or Path.home() / "heard.jsonl")
    runs = len(heard.read_text().splitlines()) if heard.exists() else 0
    plays = json.loads(Path(script).read_text())
    steps = plays[min(runs, len(plays) - 1)]
    stdin = "" if {"deaf": True} in steps else sys.stdin.buffer.read().decode("utf-8", "replace")
    with heard.open("a") as file:
        file.write(json.dumps({"arguments": arguments, "stdin": stdin}) + "\n")
    for step in steps:
        play(step)


if __name__ == "__main__":
    main()
