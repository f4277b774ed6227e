from pathlib import Path

import pytest

from agentbatch.errors import UserError
from agentbatch.tasks.coders.builtin.definition import CoderDefinition, load_coder
from agentbatch.tasks.spec.escalation import Escalation
from tests.support.paths import CHECKOUT


def load(folder: Path, text: str) -> CoderDefinition:
    (folder / "agents").mkdir(exist_ok=True)
    (folder / "agents" / "coder.toml").write_text(text, encoding="utf-8")
    return load_coder(folder)


def test_steps_are_read_in_either_form_of_toml(tmp_path: Path) -> None:
    steps = (Escalation(after=2, coder_model="strong"), Escalation(after=4, coder_model="stronger"))
    inline = 'escalate = [{after = 2, model = "strong"}, {after = 4, model = "stronger"}]'
    tables = '[[escalate]]\nafter = 2\nmodel = "strong"\n[[escalate]]\nafter = 4\nmodel = "stronger"\n'
    assert load(tmp_path, inline).escalate == load(tmp_path, tables).escalate == steps
    assert load(tmp_path, inline.replace("model", "coder_model")).escalate == steps
    assert load(tmp_path, "").escalate == ()


def test_the_line_in_our_own_file_holds_when_it_is_taken_out_of_its_comment(tmp_path: Path) -> None:
    ours = (CHECKOUT / "agents" / "coder.toml").read_text(encoding="utf-8")
    assert load(tmp_path, ours).escalate == ()
    assert len(load(tmp_path, ours.replace("# escalate", "escalate")).escalate) == 2


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            'escalate = [{after = 0, model = "m"}]',
            "escalate[0].after: must be 1 or more, not 0.",
        ),
        (
            'escalate = [{after = 1001, model = "m"}]',
            "escalate[0].after: must be 1,000 or less, not 1001.",
        ),
        (
            'escalate = [{after = 2, model = "m"}, {after = 2, model = "n"}]',
            "escalate: each `after` must be greater than the one before it (2 follows 2).",
        ),
        (
            'escalate = [{after = 3, model = "m"}, {after = 1, model = "n"}]',
            "escalate: each `after` must be greater than the one before it (1 follows 3).",
        ),
        (
            'escalate = [{after = 2, model = ""}]',
            "escalate[0].coder_model: must not be empty.",
        ),
        ('escalate = [{after = 2, model = " "}]', "escalate[0].coder_model: must name a model, not ' '."),
        (
            "escalate = [{after = 2}]",
            "escalate[0]: must name a coder_model, a temperature or a coder, not {'after': 2}.",
        ),
        (
            'escalate = [{after = 2, coder_modle = "m"}]',
            "unknown setting escalate[0].coder_modle; did you mean 'coder_model'?",
        ),
        ('escalate = [{after = "2", model = "m"}]', "escalate[0].after: must be a whole number, not '2'."),
        ("escalate = [2]", "escalate[0]: must be a table, not 2."),
        ("escalate = 2", "escalate: must be a list, not 2."),
        ("[limits]\nstpes = 2", "unknown setting limits.stpes; did you mean 'steps'?"),
    ],
)
def test_what_is_wrong_is_told(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(UserError) as caught:
        load(tmp_path, text)
    assert str(caught.value) == f"{tmp_path}/agents/coder.toml: {said}"
