import json
from pathlib import Path

import pytest

from agentbatch.cli.tasks.at_the_end import choose_places
from agentbatch.config.reports import parse_report
from agentbatch.display.reports.exports.predictions import predictions_lines, predictions_object
from agentbatch.display.reports.material import Material
from agentbatch.display.reports.report import write_report
from agentbatch.errors import UserError
from agentbatch.tasks.results.records import Records
from tests.runs.finished_run import a_finished_run
from tests.support.bake_offs import compared
from tests.support.run_events import NOON


class Patched(Records):
    def patch(self, task_id: str) -> str:
        return f"diff of {task_id}\n" if task_id != "docs" else ""


def test_predictions_are_what_swe_bench_reads() -> None:
    material = Material(a_finished_run(), NOON, records=Patched(None))
    lines = [json.loads(line) for line in predictions_lines(material)]
    assert [(one["instance_id"], one["model_patch"]) for one in lines] == [
        ("parser", "diff of parser\n"),
        ("csv", "diff of csv\n"),
        ("primes", "diff of primes\n"),
        ("docs", ""),
    ]
    assert lines[0] == {
        "instance_id": "parser",
        "model_name_or_path": "agentbatch+m-coder",
        "model_patch": "diff of parser\n",
    }
    assert json.loads(predictions_object(material)) == {one["instance_id"]: one for one in lines}


def test_a_comparison_has_no_predictions(tmp_path: Path) -> None:
    material = Material(compared(["a", "b"], [[[True], [False]]]), NOON)
    with pytest.raises(UserError, match="chooses nothing"):
        write_report(parse_report(str(tmp_path / "p.jsonl")), material)
    with pytest.raises(UserError, match="p.jsonl: A comparison of models chooses nothing"):
        choose_places(["p.jsonl"], tmp_path, [], compared=True)
