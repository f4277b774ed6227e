from agentbatch.config.settings import secret_variables
from agentbatch.dashboard.packets import Size
from agentbatch.dashboard.served_environment import served_environment

ENVIRON = {
    "PATH": "/usr/bin",
    "LC_ALL": "de_DE.UTF-8",
    "NO_COLOR": "1",
    "TERM": "dumb",
    "COLUMNS": "7",
    "TEXTUAL": "devtools",
    "PYTHONSTARTUP": "/x.py",
    "OPENAI_API_KEY": "sk-openai-openai",
    "CODER_API_KEY": "sk-coder-coder",
    "EVALUATION_API_KEY": "sk-judge-judge",
    "ANTHROPIC_API_KEY": "sk-other-other",
    "AGENTBATCH_NOTIFY": "tgram://token",
    "HTTPS_PROXY": "http://me:secret@proxy",
    "HOME": "/home/sk-coder-coder",
}


def test_what_a_view_gets() -> None:
    assert served_environment(ENVIRON, secret_variables(), Size(100, 30)) == {
        "PATH": "/usr/bin",
        "LC_ALL": "de_DE.UTF-8",
        "NO_COLOR": "1",
        "LANG": "C.UTF-8",
        "TERM": "xterm-256color",
        "TERM_PROGRAM": "textual",
        "TEXTUAL_DRIVER": "textual.drivers.web_driver:WebDriver",
        "TEXTUAL_COLOR_SYSTEM": "truecolor",
        "COLUMNS": "100",
        "ROWS": "30",
    }, "HOME has a key in it"
