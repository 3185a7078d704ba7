"""The scheme on the form: what is offered, what a choice brings and takes away, and what the drawing says."""

import pytest
from streamlit.testing.v1 import AppTest

from kd_core.analysis.feature_matching import match_table
from kd_core.base.options import option_label, options_of
from kd_core.base.registry import plugins
from kd_core.config.run import RunConfig, from_flat, read_flat
from kd_core.runs.manager import RunManager
from kd_core.schemes import plan_of
from pages.ui.form import feature_diagram, plan_diagram, scheme_card
from pages.ui.text import plan as planning
from tests.pages.test_distill import Open, button, finish, texts
from tests.pages.test_method_form import select
from tools.testing.widgets import named

SCHEMES = list(plugins("schemes"))
WIDGETS = ("selectbox", "number_input", "checkbox", "text_input")


def config_of(name: str, **flat: str) -> RunConfig:
    config, refused = read_flat({"scheme": name, **flat})
    assert not refused
    return config


def drawn(name: str, **flat: str) -> dict:
    return plan_diagram.facts(config_of(name, **flat))


def nodes(facts: dict) -> dict[str, dict]:
    return {node["role"]: node for column in facts["columns"] for node in column["nodes"]}


def ways(facts: dict, kind: str) -> list[tuple[list[str], str]]:
    """The lines of one kind, by the names of the networks that they join."""
    called = {node["id"]: node["role"] for column in facts["columns"] for node in column["nodes"]}
    return [
        ([called[one] for one in edge["from"]], called[edge["to"]]) for edge in facts["edges"] if edge["kind"] == kind
    ]


def labels_of(app: AppTest) -> list[str]:
    return [widget.label for kind in WIDGETS for widget in getattr(app, kind)]


def test_schemes_are_listed_family_by_family_the_usual_one_first() -> None:
    listed = list(scheme_card.titles().values())
    assert len(listed) == len(SCHEMES)
    assert listed[0].startswith("Offline")
    assert "Online · Mutual learning (DML)" in listed
    families = [line.split(" · ")[0].split(" (")[0] for line in listed]
    assert list(dict.fromkeys(families)) == [family.capitalize() for family in scheme_card.FAMILIES]


@pytest.mark.parametrize("name", SCHEMES)
def test_every_scheme_can_be_opened_by_a_link_with_its_idea_its_options_and_its_paper(
    open_page: Open, name: str
) -> None:
    app = open_page("distill", autoplay="0", scheme=name)
    assert not app.error
    assert app.selectbox(key="set scheme").value == name
    assert not button(app, "Start training").disabled
    cls = plugins("schemes")[name]
    said = texts(app).replace("\\", "")
    assert cls.summary in said
    assert cls.paper in said  # type: ignore[attr-defined]
    for option, declared in options_of(cls).items():
        assert option_label(option, declared) in labels_of(app)
    if name != "offline":
        assert app.query_params["scheme"] == name
    assert not set(app.query_params) - {"autoplay", "dataset", "scheme"}  # all else is as it suggests


@pytest.mark.parametrize("name", SCHEMES)
def test_choosing_a_scheme_is_opening_its_link(open_page: Open, name: str) -> None:
    app = select(open_page("distill", autoplay="0"), "scheme", name)
    assert not app.error
    assert app.session_state["settings"] == config_of(name, dataset="digits").flat()


def test_what_a_scheme_suggested_goes_with_it_and_what_was_chosen_stays(open_page: Open) -> None:
    app = open_page("distill", autoplay="0", seed="3", epochs="7", temperature="2")
    for name in ("missing_class", "self_attention", "unlabelled", "offline"):
        select(app, "scheme", name)
        settings = app.session_state["settings"]
        assert (settings["seed"], settings["epochs"]) == ("3", "7")
        assert (settings["omitted"] == "8") == (name == "missing_class")
        assert (settings["method"] == "attention") == (name == "self_attention")
        assert settings["labelled"] == {"missing_class": "0", "unlabelled": "30"}.get(name, "50")
    assert app.session_state["settings"]["student"] == "mlp"
    assert not {"peers", "rounds", "student_width"} & set(app.session_state["settings"])


def test_options_of_the_method_stay_where_the_scheme_does_not_choose_another(open_page: Open) -> None:
    app = open_page("distill", autoplay="0", temperature="2")
    for name in ("ensemble", "born_again"):
        select(app, "scheme", name)
        assert app.query_params["temperature"] == "2"


def test_a_choice_that_the_scheme_cannot_use_is_answered_where_it_stands(open_page: Open, shared: RunManager) -> None:
    app = open_page("distill", autoplay="0", scheme="missing_class")
    select(app, "omitted", "none")
    (error,) = app.error
    assert "none" in error.value
    assert button(app, "Start training").disabled
    assert app.selectbox(key="set scheme").value == "missing_class"
    assert app.selectbox(key="set omitted").value == "none"
    select(app, "omitted", "3")
    assert not app.error
    assert not button(app, "Start training").disabled
    assert shared.store.runs() == []


def test_weights_of_teachers_are_typed_and_wrong_ones_can_be_mended(open_page: Open) -> None:
    app = open_page("distill", autoplay="0", scheme="ensemble")
    app.text_input(key="set shares").set_value("2-1").run()
    (error,) = app.error
    assert "choose 3 numbers from 0 up" in error.value
    assert app.text_input(key="set shares").value == "2-1"
    app.text_input(key="set shares").set_value("2-1-1").run()
    assert not app.error
    assert app.query_params["shares"] == "2-1-1"


def test_a_scheme_that_these_data_do_not_allow_says_so_once_and_the_lab_stands(open_page: Open) -> None:
    app = select(open_page("distill", autoplay="0", dataset="moons"), "scheme", "merge")
    (error,) = app.error
    assert "these data have 2" in error.value
    assert "once these settings go together" in texts(app)
    select(app, "scheme", "mutual")
    assert not app.error


def test_another_data_set_keeps_the_scheme_if_it_can(open_page: Open) -> None:
    app = open_page("distill", autoplay="0", scheme="mutual")
    select(app, "dataset", "moons")
    assert app.selectbox(key="set scheme").value == "mutual"
    app = open_page("distill", autoplay="0", scheme="merge")
    select(app, "dataset", "moons")
    assert named(app, "selectbox", "set scheme").value == "offline"
    assert not app.error


def test_the_methods_offered_are_those_of_the_chosen_scheme(open_page: Open) -> None:
    app = open_page("distill", autoplay="0", student="cnn", student_width="8")
    assert "Feature · Hints (FitNets)" in named(app, "selectbox", "set method").options
    select(app, "scheme", "ensemble")
    named(app, "selectbox", "set student").select("cnn").run()
    offered = named(app, "selectbox", "set method").options
    assert "Response · Soft targets (KD)" in offered
    assert "Feature · Hints (FitNets)" not in offered
    assert "Choose “Average the teachers’” = losses." in texts(app).replace("\\", "")
    select(app, "combine", "losses")
    assert "Feature · Hints (FitNets)" in named(app, "selectbox", "set method").options
    select(app, "scheme", "self_attention")
    assert "Response · Soft targets (KD)" not in named(app, "selectbox", "set method").options


def test_a_method_that_the_new_scheme_refuses_stays_named_and_can_be_mended(open_page: Open) -> None:
    networks = {"student": "cnn", "student_width": "8", "teacher_depth": "3"}
    app = open_page("distill", autoplay="0", **networks, method="attention")
    select(app, "scheme", "merge")
    assert app.selectbox(key="set method").value == "attention"
    (error,) = app.error
    assert "Attention transfer compares features" in error.value
    assert button(app, "Start training").disabled
    select(app, "method", "soft_targets")
    assert not app.error


@pytest.mark.parametrize(
    ("name", "teacher", "student"),
    [
        ("offline", "Trained once, then kept", "50 labelled images, every label right, and from the teacher."),
        ("mutual", "Plays no part in this arrangement.", "and from peer 2."),
        ("reversed", "Here it is student and baseline.", "Here it is teacher."),
        ("self_attention", "Plays no part in this arrangement.", "and from its own later layers."),
    ],
)
def test_each_card_says_what_becomes_of_its_network(open_page: Open, name: str, teacher: str, student: str) -> None:
    said = texts(open_page("distill", autoplay="0", scheme=name)).replace("\\", "")
    assert teacher in said
    assert student in said


def test_a_scheme_chosen_on_the_form_is_trained(open_page: Open, shared: RunManager) -> None:
    app = open_page("distill", autoplay="0", dataset="moons", epochs="2", teacher_epochs="1")
    select(app, "scheme", "mutual")
    button(app, "Start training").click().run()
    finish(shared, 1)
    run = shared.store.run(app.query_params["run"])
    assert run.config == from_flat({"dataset": "moons", "epochs": "2", "teacher_epochs": "1", "scheme": "mutual"})


# -- the drawing -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SCHEMES)
def test_the_drawing_and_the_table_have_every_network_of_the_plan(name: str) -> None:
    config = config_of(name)
    facts = plan_diagram.facts(config)
    known = [node["id"] for column in facts["columns"] for node in column["nodes"]]
    assert len(set(known)) == len(known)
    for edge in facts["edges"]:
        assert {*edge["from"], edge["to"]} <= set(known)
    rows = plan_diagram.table(config)
    for phase in plan_of(config):
        for own in phase.networks:
            assert own.role in facts["sentence"]
            assert any(row["network"] == own.role for row in rows)
    assert all(all(row.values()) for row in rows)
    assert len(facts["columns"]) <= 6
    last = [
        column["nodes"][-1]["lane"]
        for column in facts["columns"]
        if any(n["lane"] == "baseline" for n in column["nodes"])
    ]
    assert set(last) <= {"baseline", "made"}


def test_a_frozen_teacher_says_so_and_points_at_its_student() -> None:
    facts = drawn("offline")
    assert ways(facts, "teaches") == [(["Teacher"], "Student")]
    assert nodes(facts)["Teacher"]["state"] == "learns, then frozen"
    assert nodes(facts)["Student"]["state"] == "learns"
    assert nodes(facts)["Baseline student"]["lane"] == "baseline"
    assert "1,000 labels" in nodes(facts)["Teacher"]["sees"]
    assert [column["title"] for column in facts["columns"]] == ["Phase 1", "Phase 2"]


def test_peers_teach_each_other_and_their_average_is_made_of_them() -> None:
    facts = drawn("mutual")
    assert ways(facts, "teaches") == [(["Peer 2"], "Student"), (["Student"], "Peer 2")]
    assert ways(facts, "made of") == [(["Student", "Peer 2"], "Average")]
    assert not any("frozen" in node["state"] for node in nodes(facts).values())


def test_a_network_that_goes_on_and_is_taught_has_both_lines() -> None:
    facts = drawn("snapshot")
    assert (["Cycle 2"], "Student") in ways(facts, "teaches")
    assert (["Cycle 2"], "Student") in ways(facts, "goes on")
    assert (["Baseline 2"], "Baseline student") in ways(facts, "goes on")


def test_shared_layers_are_the_base_of_who_shares_them() -> None:
    facts = drawn("own_teacher")
    assert (["stage 1"], "Exit 1") in ways(facts, "shares")
    assert (["stage 2"], "Student") in ways(facts, "shares")
    assert ways(facts, "teaches") == [(["Student"], "Exit 1"), (["Student"], "Exit 2")]


def test_who_asks_no_teacher_has_no_line_from_one() -> None:
    facts = drawn("teacher_free")
    assert ways(facts, "teaches") == [(["Teacher"], "Student")]
    assert nodes(facts)["Virtual"]["own"]
    assert "Virtual teacher" in nodes(facts)["Virtual"]["taught"]
    assert ways(drawn("offline", alpha="0"), "teaches") == []


@pytest.mark.parametrize(
    ("name", "flat", "role", "said"),
    [
        ("merge", {}, "Student", "1,000 images, no labels"),
        ("merge", {}, "Teacher 1", "0 … 4 only"),
        ("missing_class", {}, "Student", "no 8"),
        ("unlabelled", {}, "Student", "30 labels + 970 images without"),
        ("unlabelled", {}, "Baseline student", "30 labels"),
        ("offline", {"wrong": "0.2"}, "Student", "50 labels, 10 wrong"),
        ("offline", {"alpha": "1"}, "Student", "labels weigh 0"),
    ],
)
def test_each_network_says_which_labels_it_sees(name: str, flat: dict[str, str], role: str, said: str) -> None:
    assert said in nodes(drawn(name, **flat))[role]["sees"]


@pytest.mark.parametrize(
    ("name", "flat", "stack"),
    [
        ("ensemble", {"count": "8"}, "Teacher 1 … 8"),
        ("mutual", {"peers": "6"}, "Peer 2 … 6"),
        ("snapshot", {"cycles": "8"}, "Cycle 3 … 6"),
        ("born_again", {"generations": "6"}, "Generation 3, 4"),
    ],
)
def test_what_is_too_many_to_draw_is_a_stack(name: str, flat: dict[str, str], stack: str) -> None:
    facts = drawn(name, **flat)
    assert "networks" in nodes(facts)[stack]["stack"]
    assert len(facts["columns"]) <= 6
    for start, end in ways(facts, "teaches"):
        assert start != [end]


def test_what_is_matched_is_what_the_taught_network_and_its_teacher_have() -> None:
    def named(name: str, **flat: str) -> tuple[str, str]:
        config = config_of(name, **flat)
        facts = feature_diagram.facts(config, match_table(config.method, planning.compared_pair(config)))
        return facts["teacher"]["name"], facts["student"]["name"]

    assert named("offline") == ("CNN 16×2", "MLP 64")
    assert named("reversed") == ("MLP 64", "CNN 16×2")
    assert named("mutual") == ("peer 2, MLP 64", "MLP 64")
    assert named("self_attention") == ("CNN 8×3", "CNN 8×3")
    assert named("own_teacher") == ("student, CNN 16×3", "exit 1")
    assert named("teacher_free") == ("CNN 16×2", "MLP 64")


def test_who_is_shown_no_labels_is_matched_with_none() -> None:
    config = config_of("merge")
    facts = feature_diagram.facts(config, match_table(config.method, planning.compared_pair(config)))
    assert [link["teacher"] for link in facts["links"]] == ["logits"]
