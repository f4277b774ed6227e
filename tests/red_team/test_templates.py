"""By a template: prompts/evaluator.md is the coder's, and is compiled at the next start."""

import os
from pathlib import Path

import pytest

from agentbatch.errors import UserError
from agentbatch.tasks.agents.prompts import Prompts
from agentbatch.templates import PromptEnvironment

TWINS = (
    "{% set n = namespace(a=[1], b=[1]) %}{% for i in range(40) %}{% set n.a = [n.a, n.a] %}"
    "{% set n.b = [n.b, n.b] %}{% endfor %}"
)

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
    "loops in loops": "{% for a in range(9999) %}{% for b in range(9999) %}x{% endfor %}{% endfor %}",
    "a filter's width": "{{ 'a'|center(1000000000) }}",
    "a filter's width by a map": "{{ ['a']|map('center', 1000000000)|join }}",
    "a filter's block": "{% filter center(1000000000) %}a{% endfilter %}",
    "an indent": "{{ 'a'|indent(1000000000, true) }}",
    "many indents": "{{ ('\n' * 1000000)|indent(90000, true) }}",
    "a batch": "{{ ['a']|batch(1000000000, 'x')|list }}",
    "slices": "{{ ['a']|slice(100000000)|list }}",
    "a precision": "{{ 5|round(-1000000000) }}",
    "replacements": "{{ ('a' * 1000000)|replace('a', 'b' * 1000000) }}",
    "a join": "{{ (['a'] * 1000000)|join('b' * 1000000) }}",
    "a join of what is made meanwhile": "{{ (['a'] * 1000000)|map('center', 90000)|join }}",
    "a format's width": "{{ '{:1000000000}'.format(1) }}",
    "a format's width behind a bracket": "{{ '{a[}]:1000000000}'.format(a={'}': 1}) }}",
    "a format's given width": "{{ '{:{}}'.format(1, 1000000000) }}",
    "a percent's width": "{{ '%1000000000d' % 1 }}",
    "a percent's given width": "{{ '%*d' % (1000000000, 1) }}",
    "a percent's width by a name": "{{ '%((a)b)1000000000d'|format(**{'(a)b': 1}) }}",
    "a percent's width beside a brace": "{{ '{%1000000000d'|format(1) }}",
    "zeros": "{{ 'a'.zfill(1000000000) }}",
    "blanks": "{{ 'a'.ljust(width) if width else 'a'.ljust(1000000000) }}",
    "tabs": "{{ '\t'.expandtabs(1000000000) }}",
    "a text's own join": "{{ ('b' * 1000000).join(['a'] * 1000000) }}",
    "a text's own replacements": "{{ ('a' * 1000000).replace('a', 'b' * 1000000) }}",
    "a number's bytes": "{{ (1).to_bytes(1000000000, 'big') }}",
    "a text without sense": "{{ lipsum(n=1000000000) }}",
    "a text twice and twice": "{% set a = 'x' * 1000000 %}" + "{% set a = a ~ a %}" * 30,
    "a sum of texts": "{% set a = 'x' * 1000000 %}" + "{% set a = a + a %}" * 30,
    "a product of numbers": "{% set a = 9 ** 999 %}" + "{% set a = a * a %}" * 30,
    "lists of one list": "{% set a = ['x' * 1000] %}" + "{% set a = [a, a] %}" * 40 + "{{ a }}",
    "lists of one list as a text": "{% set a = ['x' * 1000] %}"
    + "{% set a = [a, a] %}" * 40
    + "{{ a|string }}",
    "blocks of one block": "{% set a %}aaaaaaaaaa{% endset %}" + "{% set a %}{{ a }}{{ a }}{% endset %}" * 40,
    "empty loops in loops": "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
    "a loop's condition": "{% for a in range(99999) if ('x' * 1000000) == a %}{% endfor %}",
    "sums in a loop": "{% for a in range(99999) %}{% set x = range(99999)|sum %}{% endfor %}",
    "a loop by calls": "{% for a in range(99999) recursive %}{{ loop(range(99999)) if loop.depth < 4 }}{% endfor %}",
    "a comparison of lists of one list": TWINS + "{{ n.a == n.b }}",
    "an order of lists of one list": TWINS + "{{ n.a < n.b }}",
    "a search for a list of one list": TWINS + "{{ n.a in [n.b] }}",
    "a test of lists of one list": TWINS + "{{ n.a is eq(n.b) }}",
    "a choice by a list of one list": TWINS + "{{ [n.a]|select('eq', n.b)|list }}",
    "a sort of lists of one list": TWINS + "{{ [n.a, n.b]|sort }}",
    "a key of one key": TWINS.replace("[", "(").replace("]", ",)") + "{{ {n.a: 1}|length }}",
    "a place of one place": TWINS.replace("[", "(").replace("]", ",)") + "{{ {}[n.a] }}",
    "a dictionary of one key": TWINS.replace("[", "(").replace("]", ",)") + "{{ dict([(n.a, 1)]) }}",
    "brackets": "{{ " + "(" * 3000 + "1" + ")" * 3000 + " }}",
    "nots": "{{ " + "not " * 5000 + "1 }}",
    "sums": "{{ 1" + " + 1" * 3000 + " }}",
    "loops in each other": "{% for a in [1] %}" * 60 + "{% endfor %}" * 60,
    "a number of many digits": "{{ " + "9" * 5000 + " }}",
    "fields without end": "{{ task }}" * 100_000,
    "a macro that calls itself": "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
    "a block that holds itself": "{% block a %}{{ self.a() }}{% endblock %}",
}


QUICK = ("a comparison of lists of one list", "a key of one key")
"""Of those that take half a second each."""


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.slow if "n.a" in text and name not in QUICK else ())
        for name, text in TEMPLATES.items()
    ],
)
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
            servers=["notes"],
            max_steps=5,
            task="t",
        )
        assert said == "", "it said something, and was not refused"
    assert os.listdir(tmp_path) == ["prompts"]


USUAL = {
    "{{ tools|join(', ') }}": "bash, find",
    "{{ task|indent(4) }}|{{ task|upper }}|{{ task|truncate(3, true, '') }}": "t\n    u|T\nU|t\nu",
    "{{ task.replace('t', 'x') }}{{ task.center(5) }}.": "x\nu t\nu .",
    "{{ '%s of %d'|format(task, 2000000) }} {{ '{:>3}: {}'.format(7, 2000000) }}": "t\nu of 2000000   7: 2000000",
    "{{ '%d%%' % 2024 }}{{ 'in 2024: %s' % 5 }}{{ '{:,}'.format(2024) }}": "2024%in 2024: 52,024",
    "{% for t in tools %}{{ loop.index ~ t }}{{ loop.cycle('a', 'b') }}{% endfor %}": "1basha2findb",
    "{% for n in range(2000000, 2000002) %}{{ n * 2 }} {% endfor %}": "4000000 4000002",
    "{{ [5, 2000001]|select('gt', 2000000)|first }} {{ 5.25|round(1) }} {{ [1, 2]|sum }}": "2000001 5.2 3",
    "{{ {task: 1, 'b': 2}[task] }} {{ 1 < 2 < 3 }} {{ tools[0] in tools }}": "1 True True",
    "{{ tools|select('eq', 'find')|first }} {{ tools|sort|last }} {{ tools is iterable }}": "find find True",
    "{% for t in tools %}{{ loop.length }}{{ loop.last }}{% else %}no{% endfor %}": "2False2True",
    "{% for t in tools if t != 'bash' %}{{ t }}{% endfor %}": "find",
    "{% for a, b in {'x': 1}.items() %}{{ a }}{{ b }}{% endfor %}": "x1",
    "{% macro m(a) %}<{{ a }}>{% endmacro %}{{ m('x') }}{{ {'a': 1}|tojson }}": '<x>{"a": 1}',
}


@pytest.mark.parametrize("text", USUAL)
def test_what_templates_do_is_done(text: str) -> None:
    assert (
        PromptEnvironment().from_string(text).render(tools=["bash", "find"], task="t\nu").strip()
        == USUAL[text]
    )
