"""By a template: prompts/evaluator.md is the coder's, and is compiled at the next start."""

import os
from pathlib import Path

import pytest

from agentbatch.errors import UserError
from agentbatch.tasks.agents.prompts import Prompts

TEMPLATES = {
    "builtins of a function": "{{ lipsum.__globals__['os'].system(RUN) }}",
    "builtins of a loop": "{{ cycler.__init__.__globals__.os.popen(RUN).read() }}",
    "builtins of a namespace": "{{ namespace.__init__.__globals__['__builtins__']['__import__']('os').system(RUN) }}",
    "the template itself": "{{ self.__init__.__globals__.__builtins__.__import__('os').system(RUN) }}",
    "its blocks": "{{ self._TemplateReference__context.eval_ctx.environment.from_string('x') }}",
    "classes of a text": "{% for c in ''.__class__.__mro__[1].__subclasses__() %}{% if c.__name__ == 'Popen' %}"
    "{{ c(['sh', '-c', RUN]) }}{% endif %}{% endfor %}",
    "classes by a filter": "{{ (''|attr('__class__')|attr('__mro__'))[1].__subclasses__() }}",
    "classes by pieces of a name": "{{ ''['__cla' ~ 'ss__']['__mro__'] }}",
    "classes by a map": "{{ ['']|map(attribute='__class__.__mro__')|list }}",
    "a format": "{{ '{0.__class__.__mro__}'.format('') }}",
    "a format by a map": "{{ ['{0.__class__.__init__.__globals__}']|map('format', cycler)|list }}",
    "a format by a filter": "{{ ('{0.__class__}'|attr('format'))('') }}",
    "a value's method": "{{ task.__class__.__init__.__globals__ }}",
    "a value's code": "{{ task.encode.__func__ }}{{ task.mro }}",
    "a joiner": "{{ joiner.__init__.__globals__.__builtins__.open('/etc/passwd').read() }}",
    "a generator": "{{ (lipsum() for x in y).gi_frame.f_globals }}",
    "another file": "{% include '/etc/passwd' %}",
    "a parent": "{% extends '/etc/passwd' %}",
    "a module": "{% import 'os' as os %}{{ os.system(RUN) }}",
    "an undefined name's class": "{{ (nothing is defined) ~ nothing.__class__.__init__.__globals__ }}",
    "a change of a value": "{{ tools.append('x') }}",
    "a text that fills the memory": "{{ 'x' * 10000000000 }}",
    "a number that never ends": "{{ 9 ** 9 ** 9 ** 9 }}",
    "a loop that never ends": "{% for a in range(9999999999) %}x{% endfor %}",
}


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_planted_prompt_runs_nothing_and_is_refused(tmp_path: Path, name: str) -> None:
    """At the next start, or when it is used; in one sentence that names the file."""
    proof = tmp_path / "proof"
    (tmp_path / "prompts").mkdir()
    text = TEMPLATES[name].replace("RUN", f"'touch {proof}'")
    (tmp_path / "prompts/coder.md").write_text(text)
    with pytest.raises(UserError, match=r"prompts/coder\.md"):
        said = Prompts(tmp_path, ["coder.md"], []).render(
            "coder.md",
            workdir="w",
            system="s",
            sandbox="none",
            network=True,
            tools=["bash"],
            max_steps=5,
            task="t",
        )
        assert said == "", "it said something, and was not refused"
    assert os.listdir(tmp_path) == ["prompts"]
