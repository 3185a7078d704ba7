"""Choice of the distillation scheme on the form, and the diagram of its plan."""

import re

import pytest
from streamlit.testing.v1 import AppTest

from kd_core.analysis.feature_matching import match_table
from kd_core.base.options import option_label, options_of
from kd_core.base.registry import plugins
from kd_core.config.run import RunConfig, from_flat, read_flat
from kd_core.runs.manager import RunManager
from kd_core.schemes import plan_of
from pages.ui.form import feature_diagram, plan_diagram, scheme_card
from pages.ui.widgets.text import plan
from tests.pages.test_distill import Open, button, finish, texts
from tests.pages.test_method_form import select
from tools.testing.widgets import named, open_settings

# Those whose networks write do not apply to the digits.
SCHEMES = [name for name, cls in plugins("schemes").items() if not cls.writes_examples]  # type: ignore[attr-defined]
WIDGETS = ("selectbox", "number_input", "checkbox", "text_input")


def config_of(name: str, **flat: str) -> RunConfig:
    config, refused = read_flat({"scheme": name, **flat})
    assert not refused
    return config


def diagram(name: str, **flat: str) -> dict:
    return plan_diagram.facts(config_of(name, **flat))


def nodes(facts: dict) -> dict[str, dict]:
    return {node["role"]: node for column in facts["columns"] for node in column["nodes"]}


def edges_of(facts: dict, kind: str) -> list[tuple[list[str], str]]:
    """Return the edges of one kind as the roles that they join."""
    role = {node["id"]: node["role"] for column in facts["columns"] for node in column["nodes"]}
    edges = [edge for edge in facts["edges"] if edge["kind"] == kind]
    return [([role[node] for node in edge["from"]], role[edge["to"]]) for edge in edges]


def labels_of(app: AppTest) -> list[str]:
    return [widget.label for kind in WIDGETS for widget in getattr(app, kind)]


def test_schemes_are_listed_by_family_and_offline_distillation_comes_first() -> None:
    titles = list(scheme_card.titles().values())
    assert len(titles) == len(plugins("schemes"))
    assert titles[0].startswith("Offline")
    assert "Online · Mutual learning (DML)" in titles
    families = [title.split(" · ")[0].split(" (")[0] for title in titles]
    assert list(dict.fromkeys(families)) == [family.capitalize() for family in scheme_card.FAMILIES]


@pytest.mark.slow
@pytest.mark.parametrize("name", SCHEMES)
def test_a_link_opens_every_scheme_with_its_summary_options_and_paper(open_page: Open, name: str) -> None:
    app = open_page("distill", scheme=name)
    assert not app.error
    assert app.selectbox(key="set scheme").value == name
    assert not button(app, "Start training").disabled
    cls = plugins("schemes")[name]
    assert cls.summary in texts(app).replace("\\", "")
    text = texts(open_settings(app, "Scheme")).replace("\\", "")
    assert cls.summary in text
    assert cls.paper in text  # type: ignore[attr-defined]
    for option, declaration in options_of(cls).items():
        assert option_label(option, declaration) in labels_of(app)
    if name != "offline":
        assert app.query_params["scheme"] == name
    assert not set(app.query_params) - {"autoplay", "dataset", "scheme"}  # all else has its recommended value


@pytest.mark.parametrize("name", SCHEMES)
def test_choosing_a_scheme_gives_the_same_settings_as_its_link(open_page: Open, name: str) -> None:
    app = select(open_page("distill"), "scheme", name)
    assert not app.error
    assert app.session_state["settings"] == config_of(name, dataset="digits").flat()


def test_another_scheme_replaces_recommended_settings_and_keeps_chosen_ones(open_page: Open) -> None:
    app = open_page("distill", seed="3", epochs="7", temperature="2")
    for name in ("missing_class", "self_attention", "unlabelled", "offline"):
        select(app, "scheme", name)
        settings = app.session_state["settings"]
        assert (settings["seed"], settings["epochs"]) == ("3", "7")
        assert (settings["omitted"] == "8") == (name == "missing_class")
        assert (settings["method"] == "attention") == (name == "self_attention")
        assert settings["labelled"] == {"missing_class": "0", "unlabelled": "30"}.get(name, "50")
    assert app.session_state["settings"]["student"] == "mlp"
    assert not {"peers", "rounds", "student_width"} & set(app.session_state["settings"])


def test_options_of_the_method_stay_if_the_new_scheme_recommends_no_other_method(open_page: Open) -> None:
    app = open_page("distill", temperature="2")
    for name in ("ensemble", "born_again"):
        select(app, "scheme", name)
        assert app.query_params["temperature"] == "2"


def test_a_setting_that_does_not_fit_the_scheme_is_refused_and_can_be_corrected(
    open_page: Open, shared: RunManager
) -> None:
    app = open_page("distill", scheme="missing_class")
    open_settings(app, "Data")
    select(app, "omitted", "none", place="all")
    assert all("class" in error.value for error in app.error)
    assert len(app.error) == 2  # on the page and in the dialog
    assert button(app, "Start training").disabled
    assert app.selectbox(key="set scheme").value == "missing_class"
    assert app.selectbox(key="all omitted").value == "none"
    select(app, "omitted", "3", place="all")
    assert not app.error
    assert not button(app, "Start training").disabled
    assert shared.store.runs() == []


def test_wrong_weights_of_teachers_are_refused_and_can_be_corrected(open_page: Open) -> None:
    app = open_page("distill", scheme="ensemble")
    open_settings(app, "Scheme")
    app.text_input(key="all shares").set_value("2-1").run()
    assert ["3 numbers" in error.value for error in app.error] == [True, True]  # on the page and in the dialog
    assert app.text_input(key="all shares").value == "2-1"
    app.text_input(key="all shares").set_value("2-1-1").run()
    assert not app.error
    assert app.query_params["shares"] == "2-1-1"


def test_a_scheme_that_does_not_fit_the_data_set_is_refused_with_one_message(open_page: Open) -> None:
    app = select(open_page("distill", dataset="moons"), "scheme", "merge")
    (error,) = app.error
    assert " 2" in error.value
    assert "The plan is drawn here once" in texts(app)
    select(app, "scheme", "mutual")
    assert not app.error


def test_another_data_set_keeps_the_scheme_if_it_fits(open_page: Open) -> None:
    app = open_page("distill", scheme="mutual")
    select(app, "dataset", "moons")
    assert app.selectbox(key="set scheme").value == "mutual"
    app = open_page("distill", scheme="merge")
    select(app, "dataset", "moons")
    assert named(app, "selectbox", "set scheme").value == "offline"
    assert not app.error


@pytest.mark.slow
def test_only_methods_that_fit_the_chosen_scheme_are_offered(open_page: Open) -> None:
    app = open_page("distill", student="cnn", student_width="8")
    assert "Feature · Hints (FitNets)" in named(app, "selectbox", "set method").options
    select(app, "scheme", "ensemble")
    named(app, "selectbox", "set student").select("cnn").run()
    methods = named(app, "selectbox", "set method").options
    assert "Response · Soft targets (KD)" in methods
    assert "Feature · Hints (FitNets)" not in methods
    open_settings(app, "Method")
    assert re.search("“[^”]+” = losses", texts(app).replace("\\", ""))
    select(open_settings(app, "Scheme"), "combine", "losses", place="all")
    assert "Feature · Hints (FitNets)" in named(app, "selectbox", "set method").options
    select(app, "scheme", "self_attention")
    assert "Response · Soft targets (KD)" not in named(app, "selectbox", "set method").options


def test_a_method_that_does_not_fit_the_new_scheme_stays_selected_and_can_be_replaced(open_page: Open) -> None:
    networks = {"student": "cnn", "student_width": "8", "teacher_depth": "3"}
    app = open_page("distill", **networks, method="attention")
    select(app, "scheme", "merge")
    assert app.selectbox(key="set method").value == "attention"
    (error,) = app.error
    assert "Attention transfer" in error.value
    assert button(app, "Start training").disabled
    select(app, "method", "soft_targets")
    assert not app.error


@pytest.mark.parametrize(
    ("name", "teacher", "student"),
    [
        ("offline", "Trained once, then cached", ", and from the teacher."),
        ("mutual", "not used in this scheme.", "and from peer 2."),
        ("reversed", "used as student and baseline.", "used as teacher."),
        ("self_attention", "not used in this scheme.", "and from its own later layers."),
    ],
)
def test_each_card_shows_how_the_scheme_uses_its_network(
    open_page: Open, name: str, teacher: str, student: str
) -> None:
    text = texts(open_page("distill", scheme=name)).replace("\\", "")
    assert teacher in text
    assert student in text


def test_the_start_button_trains_with_the_chosen_scheme(open_page: Open, shared: RunManager) -> None:
    app = open_page("distill", dataset="moons", epochs="2", teacher_epochs="1")
    select(app, "scheme", "mutual")
    button(app, "Start training").click().run()
    finish(shared, 1)
    run = shared.store.run(app.query_params["run"])
    assert run.config == from_flat({"dataset": "moons", "epochs": "2", "teacher_epochs": "1", "scheme": "mutual"})


# -- diagram ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SCHEMES)
def test_the_diagram_and_the_table_contain_every_network_of_the_plan(name: str) -> None:
    config = config_of(name)
    facts = plan_diagram.facts(config)
    ids = [node["id"] for column in facts["columns"] for node in column["nodes"]]
    assert len(set(ids)) == len(ids)
    for edge in facts["edges"]:
        assert {*edge["from"], edge["to"]} <= set(ids)
    rows = plan_diagram.table(config)
    for phase in plan_of(config):
        for network in phase.networks:
            assert network.role in facts["sentence"]
            assert any(row["network"] == network.role for row in rows)
    assert all(all(row.values()) for row in rows)
    assert len(facts["columns"]) <= 6
    last = [
        column["nodes"][-1]["lane"]
        for column in facts["columns"]
        if any(n["lane"] == "baseline" for n in column["nodes"])
    ]
    assert set(last) <= {"baseline", "made"}


def test_a_teacher_is_marked_as_frozen_and_has_an_edge_to_its_student() -> None:
    facts = diagram("offline")
    assert edges_of(facts, "teaches") == [(["Teacher"], "Student")]
    assert nodes(facts)["Teacher"]["state"] == "learns, then frozen"
    assert nodes(facts)["Student"]["state"] == "learns"
    assert nodes(facts)["Baseline student"]["lane"] == "baseline"
    assert "1,000 labels" in nodes(facts)["Teacher"]["data"]
    assert [column["title"] for column in facts["columns"]] == ["Phase 1", "Phase 2"]


def test_peers_have_edges_to_each_other_and_to_their_average() -> None:
    facts = diagram("mutual")
    assert edges_of(facts, "teaches") == [(["Peer 2"], "Student"), (["Student"], "Peer 2")]
    assert edges_of(facts, "combines") == [(["Student", "Peer 2"], "Average")]
    assert not any("frozen" in node["state"] for node in nodes(facts).values())


def test_a_network_that_continues_another_and_has_a_teacher_has_both_edges() -> None:
    facts = diagram("snapshot")
    assert (["Cycle 2"], "Student") in edges_of(facts, "teaches")
    assert (["Cycle 2"], "Student") in edges_of(facts, "continues")
    assert (["Baseline 2"], "Baseline student") in edges_of(facts, "continues")


def test_shared_layers_have_edges_to_the_networks_that_share_them() -> None:
    facts = diagram("own_teacher")
    assert (["stage 1"], "Exit 1") in edges_of(facts, "shares")
    assert (["stage 2"], "Student") in edges_of(facts, "shares")
    assert edges_of(facts, "teaches") == [(["Student"], "Exit 1"), (["Student"], "Exit 2")]


def test_a_learner_whose_method_uses_no_teacher_has_no_edge_from_one() -> None:
    facts = diagram("teacher_free")
    assert edges_of(facts, "teaches") == [(["Teacher"], "Student")]
    assert nodes(facts)["Virtual"]["self_taught"]
    assert "Virtual teacher" in nodes(facts)["Virtual"]["teaching"]
    assert edges_of(diagram("offline", alpha="0"), "teaches") == []


@pytest.mark.parametrize(
    ("name", "flat", "role", "fragment"),
    [
        ("merge", {}, "Student", "1,000 images, no labels"),
        ("merge", {}, "Teacher 1", "0 … 4 only"),
        ("missing_class", {}, "Student", "no 8"),
        ("unlabelled", {}, "Student", "30 labels + 970 unlabelled images"),
        ("unlabelled", {}, "Baseline student", "30 labels"),
        ("offline", {"wrong": "0.2"}, "Student", "50 labels, 10 wrong"),
        ("offline", {"alpha": "1"}, "Student", "label weight 0"),
    ],
)
def test_each_network_shows_the_labels_that_it_learns_from(
    name: str, flat: dict[str, str], role: str, fragment: str
) -> None:
    assert fragment in nodes(diagram(name, **flat))[role]["data"]


@pytest.mark.parametrize(
    ("name", "flat", "stack"),
    [
        ("ensemble", {"count": "8"}, "Teacher 1 … 8"),
        ("mutual", {"peers": "6"}, "Peer 2 … 6"),
        ("snapshot", {"cycles": "8"}, "Cycle 3 … 6"),
        ("born_again", {"generations": "6"}, "Generation 3, 4"),
    ],
)
def test_many_similar_networks_are_drawn_as_a_stack(name: str, flat: dict[str, str], stack: str) -> None:
    facts = diagram(name, **flat)
    assert "networks" in nodes(facts)[stack]["stack"]
    assert len(facts["columns"]) <= 6
    for start, end in edges_of(facts, "teaches"):
        assert start != [end]


def test_the_feature_diagram_shows_the_taught_network_and_its_teacher() -> None:
    def names(name: str, **flat: str) -> tuple[str, str]:
        config = config_of(name, **flat)
        facts = feature_diagram.facts(config, match_table(config.method, plan.compared_pair(config)))
        return facts["teacher"]["name"], facts["student"]["name"]

    assert names("offline") == ("CNN 16×2", "MLP 64")
    assert names("reversed") == ("MLP 64", "CNN 16×2")
    assert names("mutual") == ("peer 2, MLP 64", "MLP 64")
    assert names("self_attention") == ("CNN 8×3", "CNN 8×3")
    assert names("own_teacher") == ("student, CNN 16×3", "exit 1")
    assert names("teacher_free") == ("CNN 16×2", "MLP 64")


def test_a_learner_without_labels_has_no_link_to_labels() -> None:
    config = config_of("merge")
    facts = feature_diagram.facts(config, match_table(config.method, plan.compared_pair(config)))
    assert [link["teacher"] for link in facts["links"]] == ["logits"]
