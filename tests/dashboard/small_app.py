"""A Textual app to serve: it says who it is, how large it is, and which keys came.

`q` quits, `x` leaves a process behind in its group and quits, `d` dies with exit code 3 and a last word, `s` does
nothing any more and hears no signal.
"""

import os
import signal
import subprocess
import sys
import time

from textual.app import App, ComposeResult
from textual.events import Key, Resize
from textual.widgets import Static


class SmallApp(App[None]):
    keys = ""

    def compose(self) -> ComposeResult:
        yield Static("hello from the app", id="hello")
        yield Static("", id="size")
        yield Static("keys:", id="keys", markup=False)
        yield Static(" ".join(sorted(os.environ)), id="environment", markup=False)

    def on_resize(self, event: Resize) -> None:
        self.query_one("#size", Static).update(f"size {event.size.width}x{event.size.height}")

    def on_key(self, event: Key) -> None:
        self.keys += f" {event.key}"
        self.query_one("#keys", Static).update(f"keys:{self.keys}")
        if event.key == "q":
            self.exit()
        if event.key == "x":
            subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
            self.exit()
        if event.key == "d":
            sys.__stderr__.write("something went wrong [bold]here[/]\n")  # type: ignore[union-attr]
            sys.__stderr__.flush()  # type: ignore[union-attr]
            os._exit(3)
        if event.key == "s":
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            time.sleep(600)


if __name__ == "__main__":
    SmallApp().run()
