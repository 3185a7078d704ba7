"""Sentences about the result of a run, and the table of its networks."""

import pytest

from kd_core.base import metrics
from kd_core.runs.manager import RunManager
from pages.ui.run.result import verdict
from tests.pages.test_distill import Open, run_to_end, texts
from tests.pages.test_scheme_form import config_of
from tools.testing.widgets import open_settings


@pytest.mark.parametrize(
    ("name", "flat", "count", "networks", "control"),
    [
        ("mutual", {}, 2, "student and peer 2", "the baseline"),
        ("mutual", {"peers": "6"}, 6, "student and peer 2 … 6", "the baseline"),
        ("born_again", {}, 3, "generation 1 (baseline), generation 2 and student", "generation 1 (baseline)"),
        ("unlabelled", {"rounds": "2"}, 3, "teacher, round 1 and student", "the baseline"),
        ("ensemble", {}, 5, "teacher 1 … 3, student and student’s student", "the baseline"),
        ("ensemble", {"again": "false"}, 4, "teacher 1 … 3 and student", "the baseline"),
    ],
)
def test_trainings_are_counted_if_the_result_needs_more_of_them_than_its_control(
    name: str, flat: dict[str, str], count: int, networks: str, control: str
) -> None:
    sentence = verdict.training_count_sentence(config_of(name, **flat))
    assert sentence.startswith(f"{count} networks ")
    assert f": {networks}; {control} " in sentence
    assert sentence.endswith(" 1.")


@pytest.mark.parametrize("name", ["offline", "reversed", "self_taught", "snapshot", "own_teacher", "unlabelled"])
def test_trainings_are_not_counted_if_both_sides_need_the_same_number(name: str) -> None:
    assert verdict.training_count_sentence(config_of(name)) == ""


def test_trainings_are_not_counted_without_a_baseline() -> None:
    assert verdict.training_count_sentence(config_of("mutual", control="false")) == ""


@pytest.mark.slow
def test_a_network_of_some_classes_is_tested_on_these_and_the_page_says_so(open_page: Open, shared: RunManager) -> None:
    run = run_to_end(shared, scheme="merge", dataset="digits", epochs="1", teacher_epochs="4")
    app = open_page("distill", run=run)
    (table,) = app.dataframe
    rows = {row["role"]: row for row in table.value.to_dict("records")}
    first = rows["■ Teacher 1 *"]
    assert float(first["test accuracy"].rstrip("%")) > 80
    assert float(first["loss, nats"]) < 2
    assert ": 0 … 4 for teacher 1 and 5 … 9 for teacher 2." in texts(app).replace("\\", "")


def test_the_table_has_no_empty_columns_and_the_training_data_are_a_sentence_below(
    open_page: Open, shared: RunManager
) -> None:
    app = open_page("distill", run=run_to_end(shared, scheme="mutual"))
    (table,) = app.dataframe
    assert not any(column.startswith("agree") for column in table.value.columns)  # no teacher to agree with
    assert texts(app).count("Student, peer 2 and baseline were trained on") == 1


@pytest.mark.slow
def test_the_caption_names_the_network_that_chose_the_examples(open_page: Open, shared: RunManager) -> None:
    # Trained before any page is opened, since the first page starts runs automatically.
    runs = {scheme: run_to_end(shared, scheme=scheme) for scheme in ("offline", "born_again", "mutual")}

    def caption(scheme: str) -> str:
        return texts(open_page("distill", run=runs[scheme]))

    assert "that the teacher classifies correctly" in caption("offline")
    assert "that generation 1 (baseline) classifies correctly" in caption("born_again")
    assert "The first of the validation examples of each class." in caption("mutual")


def test_labels_of_exits_do_not_cross_the_line() -> None:
    def sides(*heights: float) -> list[str]:
        return [side.split(" ")[0] for side in verdict.label_positions(heights)]

    assert sides(30, 60, 40) == ["bottom", "top", "bottom"]
    assert sides(60, 30, 40) == ["top", "bottom", "top"]
    assert sides(50) == ["top"]


def test_the_result_of_a_held_out_class_names_the_class(open_page: Open, shared: RunManager) -> None:
    run = run_to_end(shared, scheme="missing_class", dataset="digits", omitted="8", labelled="0", epochs="1")
    app = open_page("distill", run=run)
    assert "class 8" in texts(app)
    assert "recall of the held-out class" in texts(open_settings(app, "Scheme")).replace("\\", "")


def test_the_recall_of_every_class_is_shown_where_the_classes_differ_much_in_size(
    open_page: Open, shared: RunManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metrics, "is_unbalanced", lambda _: True)
    run = run_to_end(shared, seed="77")
    app = open_page("distill", run=run)
    table, recalls = (frame.value for frame in app.dataframe)
    test = shared.store.run(run).test["student"]
    assert table["balanced accuracy"].tolist()[1] == f"{100 * test['balanced_accuracy']:.1f}\u00a0%"
    assert recalls["Student"].tolist() == [f"{100 * recall:.1f}\u00a0%" for recall in test["recalls"]]
    assert "balanced accuracy baseline" in texts(app)
