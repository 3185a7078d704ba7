"""What the terminal prints of the end of a run."""

import re

import pytest
import torch

from kd_core.base.events import Event, Finished, Skipped, Validated
from kd_core.base.metrics import compute_metrics
from kd_core.cli.output import EventPrinter, print_recalls
from kd_core.config.run import from_flat

TEST = {role: {"accuracy": accuracy, "examples": 500.0} for role, accuracy in (("student", 0.9), ("baseline", 0.8))}


@pytest.mark.parametrize("outcome", ["completed", "failed"])
def test_only_a_completed_run_has_a_gain(outcome: str, capsys: pytest.CaptureFixture[str]) -> None:
    printer = EventPrinter(from_flat({"dataset": "moons"}), as_json=False, quiet=True)
    printer.print(Finished(outcome, "students", 1, {"student": 0.9, "baseline": 0.8}, TEST))
    assert ("+10.0 points" in capsys.readouterr().out) == (outcome == "completed")


def test_the_recall_of_each_class_is_printed_where_the_classes_differ_much_in_size(
    capsys: pytest.CaptureFixture[str],
) -> None:
    labels = torch.tensor([0] * 570 + [1] * 30)
    test = {role: compute_metrics(torch.eye(2)[torch.zeros(600).long()], labels) for role in ("student", "baseline")}
    print_recalls(test, ["common", "rare"])
    lines = [re.split(" {2,}", line) for line in capsys.readouterr().out.splitlines()]
    assert lines[1:] == [["common", "100\u00a0%", "100\u00a0%"], ["rare", "0\u00a0%", "0\u00a0%"]]
    print_recalls(TEST, ["common", "rare"])
    assert capsys.readouterr().out == ""


def test_skipped_updates_follow_the_verdict(capsys: pytest.CaptureFixture[str]) -> None:
    evaluation = Validated("students", 40, 4, {"student": 0.9}, {"student": 0.3}, {})
    end = Finished("completed", "students", 40, {"student": 0.9, "baseline": 0.8}, TEST)
    for skips, count in (([], 2), ([Skipped("students", 1, 2.0**16)], 3)):
        printer = EventPrinter(from_flat({"dataset": "moons"}), as_json=False, quiet=True)
        events: list[Event] = [*skips, evaluation, end]
        for event in events:
            printer.print(event)
        lines = capsys.readouterr().out.splitlines()
        assert len(lines) == count
        assert ("1 of 40 updates" in lines[-1]) == bool(skips)
