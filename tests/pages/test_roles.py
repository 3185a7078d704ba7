"""How networks are called and drawn: one name, one colour and one mark for each of them, wherever it appears."""

import pytest

from kd_core.base.registry import plugins
from kd_core.config.plan import BASELINE, STUDENT, TEACHER, kind_of
from kd_core.runs.manager import RunManager
from kd_core.schemes import plan_of
from pages.ui.components import palette
from pages.ui.form import plan_diagram
from pages.ui.run.frames import RunFrames
from pages.ui.text import roles
from tests.pages.test_distill import run_to_end
from tests.pages.test_scheme_form import config_of


@pytest.mark.parametrize("name", plugins("schemes"))
def test_every_network_of_a_plan_has_a_look_with_the_mark_of_its_kind(name: str) -> None:
    config = config_of(name)
    looks = roles.styles(config)
    for phase in plan_of(config):
        for own in phase.networks:
            assert looks[own.role]["glyph"] == palette.ROLES[kind_of(own)]["glyph"]
            if own.role in (TEACHER, STUDENT, BASELINE):
                assert looks[own.role]["light"] == palette.ROLES[own.role]["light"]
    assert plan_diagram.facts(config)["looks"] == looks


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_no_teacher_of_many_has_the_colour_of_a_student(theme: str) -> None:
    looks = roles.styles(config_of("ensemble", count="8"))
    pupils = {looks[role][theme] for role in ("student", "student’s student")}
    assert len(pupils) == 2
    teachers = {looks[f"teacher {number}"][theme] for number in range(1, 9)}
    assert not pupils & teachers
    assert len(teachers) == len(palette.EXTRA_COLOURS["light"]) - 1  # as many as are left


def test_up_to_eight_more_networks_have_eight_colours() -> None:
    looks = roles.styles(config_of("mutual", peers="6"))
    peers = [looks[f"peer {number}"]["light"] for number in range(2, 7)]
    assert len({*peers, looks["average"]["light"], looks["student"]["light"]}) == 7


def test_a_baseline_that_goes_on_to_teach_is_called_by_its_generation() -> None:
    assert roles.titles(config_of("born_again"))["baseline"] == "Generation 1 (baseline)"
    assert roles.styles(config_of("born_again"))["baseline"]["name"] == "Generation 1 (baseline)"
    assert roles.titles(config_of("offline"))["baseline"] == "Baseline student"
    assert roles.styles(config_of("offline"))["baseline"]["name"] == "Baseline student"


@pytest.mark.parametrize(
    ("name", "leader"),
    [("offline", "teacher"), ("ensemble", "teacher"), ("born_again", "baseline"), ("snapshot", "cycle 1"),
     ("mutual", ""), ("own_teacher", ""), ("rocket", "")],
)  # fmt: skip
def test_the_followed_examples_are_chosen_by_the_first_teacher_that_was_trained_before(name: str, leader: str) -> None:
    assert roles.reference_teacher(config_of(name)) == leader


def names_of(shared: RunManager, **flat: str) -> tuple[RunFrames, dict[str, dict]]:
    film = RunFrames(run_to_end(shared, **flat), 0).update()
    return film, {one["key"]: one for one in film.series}


def test_with_one_student_the_parts_of_its_loss_need_no_name(shared: RunManager) -> None:
    film, series = names_of(shared)
    assert film.main_title == "Student"
    assert series["student CE"]["name"] == "CE"
    assert series["student loss"]["name"] == "Weighted sum"
    assert series["student T²·KL"]["role"] == "teacher"


def test_where_several_are_taught_the_parts_say_whose_they_are_and_have_the_look_of_their_teacher(
    shared: RunManager,
) -> None:
    film, series = names_of(shared, scheme="own_teacher", student="mlp", student_widths="8-8-8")
    assert film.main_title == "Exit 1"
    assert series["exit 1 CE"]["name"] == "Exit 1’s CE"
    assert series["exit 1 T²·KL"]["name"] == "Exit 1’s T²·KL"
    assert series["exit 1 T²·KL"]["role"] == "student"
    assert series["exit 1 loss"]["name"] == "Exit 1’s weighted sum"
    assert series["student loss"]["name"] == "Student’s loss"


def test_parts_that_come_from_a_peer_have_its_look(shared: RunManager) -> None:
    film, series = names_of(shared, scheme="mutual")
    assert film.main_title == "Student"
    assert series["student T²·KL"]["name"] == "Student’s T²·KL"
    assert series["student T²·KL"]["role"] == series["student T²·KL, weighted"]["role"] == "peer 2"
    assert series["student T²·KL"]["dash"] == series["student T²·KL, weighted"]["dash"]
    assert series["baseline loss"]["name"] == "Baseline’s CE"


def test_the_first_generation_is_called_so_in_the_curves(shared: RunManager) -> None:
    _, series = names_of(shared, scheme="born_again")
    assert series["baseline accuracy"]["name"] == "Generation 1 (baseline)"
    assert series["baseline loss"]["name"] == "Generation 1’s CE"


def test_the_accuracy_of_a_network_for_some_classes_says_of_how_many(shared: RunManager) -> None:
    _, series = names_of(shared, scheme="merge", dataset="digits", epochs="1")
    assert series["teacher 1 accuracy"]["name"] == "Teacher 1, 5 classes"
    assert series["student accuracy"]["name"] == "Student"
