"""The verdict on the screen: what it took, whose examples, and tables that mean what they say."""

import pytest

from kd_core.runs.manager import RunManager
from pages.ui.run import verdict
from tests.pages.test_distill import Open, run_to_end, texts
from tests.pages.test_scheme_form import config_of


@pytest.mark.parametrize(
    ("name", "flat", "said"),
    [
        ("mutual", {}, "2 trainings in all: student and peer 2; the baseline alone took 1."),
        ("mutual", {"peers": "6"}, "6 trainings in all: student and peer 2 … 6; the baseline alone took 1."),
        (
            "born_again", {},
            "3 trainings in all: generation 1 (baseline), generation 2 and student; generation 1 (baseline) alone "
            "took 1.",
        ),
        ("unlabelled", {"rounds": "2"}, "3 trainings in all: teacher, round 1 and student; the baseline alone took 1."),
        (
            "ensemble", {},
            "5 trainings in all: teacher 1 … 3, student and student’s student; the baseline alone took 1.",
        ),
        ("ensemble", {"again": "false"}, "4 trainings in all: teacher 1 … 3 and student; the baseline alone took 1."),
    ],
)  # fmt: skip
def test_where_more_was_trained_than_one_teacher_and_one_student_it_is_counted(
    name: str, flat: dict[str, str], said: str
) -> None:
    assert verdict.what_it_took(config_of(name, **flat)) == said


@pytest.mark.parametrize("name", ["offline", "reversed", "self_taught", "snapshot", "own_teacher", "unlabelled"])
def test_nothing_is_counted_where_both_sides_took_the_same(name: str) -> None:
    assert verdict.what_it_took(config_of(name)) == ""


def test_nothing_is_counted_without_a_baseline() -> None:
    assert verdict.what_it_took(config_of("mutual", control="false")) == ""


def test_who_can_tell_some_classes_is_tested_on_these_and_the_table_says_so(
    open_page: Open, shared: RunManager
) -> None:
    run = run_to_end(shared, scheme="merge", dataset="digits", epochs="1", teacher_epochs="4")
    app = open_page("distill", run=run)
    (table,) = app.dataframe
    rows = {row[""]: row for row in table.value.to_dict("records")}
    first = rows["■ Teacher 1 *"]
    assert float(first["test accuracy"].rstrip("%")) > 80
    assert float(first["loss (nats)"]) < 2
    assert "* Tested on the classes that it can tell alone: 0 … 4 for teacher 1 and 5 … 9 for teacher 2." in texts(
        app
    ).replace("\\", "")


def test_the_table_leaves_what_networks_saw_to_a_line_below_and_columns_without_a_value_out(
    open_page: Open, shared: RunManager
) -> None:
    app = open_page("distill", run=run_to_end(shared, scheme="mutual"))
    (table,) = app.dataframe
    assert "saw" not in table.value.columns
    assert "agrees with teacher" not in table.value.columns
    assert texts(app).count("Student, peer 2 and baseline saw") == 2  # beside the verdict, and below the table


def test_the_examples_are_said_to_be_chosen_by_whom_they_were(open_page: Open, shared: RunManager) -> None:
    # Before a page is opened: the first one sets runs of its own going.
    ended = {scheme: run_to_end(shared, scheme=scheme) for scheme in ("offline", "born_again", "mutual")}

    def caption(scheme: str) -> str:
        return texts(open_page("distill", run=ended[scheme]))

    assert "that the teacher gets right with the least certainty" in caption("offline")
    assert "that generation 1 (baseline) gets right with the least certainty" in caption("born_again")
    assert "The first validation example of each class." in caption("mutual")


def test_labels_of_exits_stand_on_the_side_where_no_line_is() -> None:
    def sides(*heights: float) -> list[str]:
        return [side.split(" ")[0] for side in verdict.beside_the_line(heights)]

    assert sides(30, 60, 40) == ["bottom", "top", "bottom"]
    assert sides(60, 30, 40) == ["top", "bottom", "top"]
    assert sides(50) == ["top"]


def test_the_verdict_on_a_missing_class_names_it(open_page: Open, shared: RunManager) -> None:
    run = run_to_end(shared, scheme="missing_class", dataset="digits", omitted="8", labelled="0", epochs="1")
    app = open_page("distill", run=run)
    said = texts(app)
    assert "Of class 8 in the test split, which neither ever saw, the corrected student recognises " in said
    assert "the share recognised of the class left out in the test split" in said.replace("\\", "")
