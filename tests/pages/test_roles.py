"""Names, colours and markers of the networks of a run."""

import pytest

from kd_core.config.plan import BASELINE, STUDENT, TEACHER, kind_of
from kd_core.runs.manager import RunManager
from kd_core.schemes import plan_of
from pages.ui.components import palette
from pages.ui.form import plan_diagram
from pages.ui.run.frames import RunFrames
from pages.ui.widgets.text import roles
from tests.pages.test_distill import run_to_end
from tests.pages.test_scheme_form import SCHEMES, config_of


@pytest.mark.parametrize("name", SCHEMES)
def test_every_network_of_a_plan_has_the_marker_of_its_kind(name: str) -> None:
    config = config_of(name)
    styles = roles.styles(config)
    for phase in plan_of(config):
        for network in phase.networks:
            assert styles[network.role]["glyph"] == palette.ROLES[kind_of(network)]["glyph"]
            if network.role in (TEACHER, STUDENT, BASELINE):
                assert styles[network.role]["light"] == palette.ROLES[network.role]["light"]
    assert plan_diagram.facts(config)["styles"] == styles


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_no_teacher_of_many_has_the_colour_of_a_student(theme: str) -> None:
    styles = roles.styles(config_of("ensemble", count="8"))
    students = {styles[role][theme] for role in ("student", "student’s student")}
    assert len(students) == 2
    teachers = {styles[f"teacher {number}"][theme] for number in range(1, 9)}
    assert not students & teachers
    assert len(teachers) == len(palette.EXTRA_COLOURS["light"]) - 1  # all colours that no student has


def test_up_to_eight_extra_networks_have_different_colours() -> None:
    styles = roles.styles(config_of("mutual", peers="6"))
    peers = [styles[f"peer {number}"]["light"] for number in range(2, 7)]
    assert len({*peers, styles["average"]["light"], styles["student"]["light"]}) == 7


def test_a_baseline_that_later_teaches_is_named_by_its_generation() -> None:
    assert roles.titles(config_of("born_again"))["baseline"] == "Generation 1 (baseline)"
    assert roles.styles(config_of("born_again"))["baseline"]["name"] == "Generation 1 (baseline)"
    assert roles.titles(config_of("offline"))["baseline"] == "Baseline student"
    assert roles.styles(config_of("offline"))["baseline"]["name"] == "Baseline student"


@pytest.mark.parametrize(
    ("name", "teacher"),
    [("offline", "teacher"), ("ensemble", "teacher"), ("born_again", "baseline"), ("snapshot", "cycle 1"),
     ("mutual", ""), ("own_teacher", ""), ("rocket", "")],
)  # fmt: skip
def test_the_reference_teacher_is_the_first_teacher_that_was_trained_in_an_earlier_phase(
    name: str, teacher: str
) -> None:
    assert roles.reference_teacher(config_of(name)) == teacher


def names_of(shared: RunManager, **flat: str) -> tuple[RunFrames, dict[str, dict]]:
    frames = RunFrames(run_to_end(shared, **flat), 0).update()
    return frames, {one["key"]: one for one in frames.series}


def test_the_loss_parts_of_a_single_student_are_named_without_its_role(shared: RunManager) -> None:
    frames, series = names_of(shared)
    assert frames.main_title == "Student"
    assert series["student CE"]["name"] == "CE"
    assert series["student loss"]["name"] == "Weighted sum"
    assert series["student T²·KL"]["role"] == "teacher"


def test_the_loss_parts_of_several_students_are_named_with_their_role_and_look_like_their_teacher(
    shared: RunManager,
) -> None:
    frames, series = names_of(shared, scheme="own_teacher", student="mlp", student_widths="8-8-8")
    assert frames.main_title == "Exit 1"
    assert series["exit 1 CE"]["name"] == "Exit 1’s CE"
    assert series["exit 1 T²·KL"]["name"] == "Exit 1’s T²·KL"
    assert series["exit 1 T²·KL"]["role"] == "student"
    assert series["exit 1 loss"]["name"] == "Exit 1’s weighted sum"
    assert series["student loss"]["name"] == "Student’s loss"


def test_loss_parts_from_a_peer_look_like_the_peer(shared: RunManager) -> None:
    frames, series = names_of(shared, scheme="mutual")
    assert frames.main_title == "Student"
    assert series["student T²·KL"]["name"] == "Student’s T²·KL"
    assert series["student T²·KL"]["role"] == series["student T²·KL, weighted"]["role"] == "peer 2"
    assert series["student T²·KL"]["dash"] == series["student T²·KL, weighted"]["dash"]
    assert series["baseline loss"]["name"] == "Baseline’s CE"


def test_the_curves_name_a_teaching_baseline_by_its_generation(shared: RunManager) -> None:
    _, series = names_of(shared, scheme="born_again")
    assert series["baseline accuracy"]["name"] == "Generation 1 (baseline)"
    assert series["baseline loss"]["name"] == "Generation 1’s CE"


def test_the_accuracy_of_a_network_of_some_classes_is_named_with_their_number(shared: RunManager) -> None:
    _, series = names_of(shared, scheme="merge", dataset="digits", epochs="1")
    assert series["teacher 1 accuracy"]["name"] == "Teacher 1, 5 classes"
    assert series["student accuracy"]["name"] == "Student"
