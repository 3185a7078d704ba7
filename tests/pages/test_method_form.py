"""The method on the form: what is offered, what is not and why, and what the drawing says is matched."""

import pytest
from streamlit.testing.v1 import AppTest

from kd_core.analysis.feature_matching import match_table
from kd_core.base.registry import plugins
from kd_core.config.run import RunConfig, from_flat
from kd_core.methods import FAMILIES
from kd_core.runs.manager import RunManager
from pages.ui.form import feature_diagram, method_card
from pages.ui.text.summaries import affects_loss, method_summary
from tests.pages.test_distill import Open, button, texts

CONVOLUTIONS = {"student": "cnn", "student_width": "8", "teacher_depth": "3"}


def select(app: AppTest, name: str, value: str) -> AppTest:
    return app.selectbox(key=f"set {name}").select(value).run()


def drawn(config: RunConfig) -> dict:
    return feature_diagram.facts(config, match_table(config.method, config.pair))


def test_methods_are_listed_family_by_family_with_the_family_first() -> None:
    listed = list(method_card.titles().values())
    families = [line.split(" · ")[0] for line in listed]
    assert list(dict.fromkeys(families)) == [family.capitalize() for family in FAMILIES]
    assert "Feature · Hints (FitNets)" in listed
    assert len(listed) == len(plugins("methods"))


def test_only_methods_that_apply_are_offered_and_the_others_say_why(open_page: Open) -> None:
    app = open_page("distill", autoplay="0")
    offered = app.selectbox(key="set method").options
    assert "Feature · Hints (FitNets)" in offered
    assert "Feature · Attention transfer (AT)" not in offered
    said = texts(app).replace("\\", "")
    assert "Attention transfer" in said
    assert "needs feature maps of both networks, and the student has embedding (64), logits (10)" in said
    assert "A CNN or " in said
    assert " as student would do." in said
    select(app, "student", "cnn")
    assert "Feature · Attention transfer (AT)" in app.selectbox(key="set method").options


def test_each_method_brings_its_formula_its_options_and_its_help(open_page: Open) -> None:
    app = open_page("distill", autoplay="0", **CONVOLUTIONS)
    select(app, "method", "attention")
    cls = plugins("methods")["attention"]
    assert app.latex[0].value.strip("$\n") == cls().to_latex()  # type: ignore[attr-defined]
    said = texts(app).replace("\\", "")
    for fact in (cls.summary, cls.paper, cls.requires, cls.defaults_source, cls.pitfall):  # type: ignore[attr-defined]
        assert fact in said
    app.number_input(key="set weight").set_value(50.0).run()
    assert r"50 \cdot" in app.latex[0].value
    assert app.query_params["weight"] == "50"


def test_a_temperature_that_nothing_depends_on_says_so_until_something_does(open_page: Open) -> None:
    app = open_page("distill", autoplay="0", method="hints")
    slider = app.slider(key="set temperature")
    assert slider.disabled
    assert "Nothing in the loss depends on it now." in texts(app)
    app.number_input(key="set soft_weight").set_value(1.0).run()
    assert not app.slider(key="set temperature").disabled
    assert not open_page("distill", autoplay="0").slider(key="set temperature").disabled


def test_a_method_that_no_longer_fits_stays_chosen_says_why_and_can_be_mended(
    open_page: Open, shared: RunManager
) -> None:
    app = open_page("distill", autoplay="0", **CONVOLUTIONS, method="attention")
    select(app, "student", "mlp")
    assert app.selectbox(key="set method").value == "attention"
    (error,) = app.error
    assert "Attention transfer needs feature maps" in error.value.replace("\\", "")
    assert button(app, "Start training").disabled
    select(app, "method", "hints")
    assert not app.error
    assert not button(app, "Start training").disabled
    assert "Feature · Attention transfer (AT)" not in app.selectbox(key="set method").options


def test_a_link_to_a_method_that_does_not_apply_is_answered(open_page: Open) -> None:
    app = open_page("distill", autoplay="0", dataset="moons", method="attention")
    assert "Attention transfer needs feature maps" in app.error[0].value.replace("\\", "")
    assert app.selectbox(key="set method").value == "attention"  # it can be mended where it stands
    assert next(b for b in app.button if b.label == "Start training").disabled


@pytest.mark.parametrize("name", plugins("methods"))
def test_every_method_can_be_chosen_drawn_and_said_in_short(open_page: Open, name: str) -> None:
    flat = {**CONVOLUTIONS, "method": name}
    app = open_page("distill", autoplay="0", **flat)
    assert not app.error
    config = from_flat(flat)
    facts = drawn(config)
    taps = {side: {tap["name"] for tap in facts[side]["taps"]} for side in ("student", "teacher")}
    for link in facts["links"]:
        assert link["student"] in taps["student"]
        assert link["teacher"] in taps["teacher"] | {"labels"}
        assert link["student"] in facts["sentence"]
    assert method_summary(config.method).startswith(config.method.title)
    assert len(method_summary(config.method)) < 80
    for row in feature_diagram.table(match_table(config.method, config.pair)):
        assert row["adaptor"]


def test_matched_places_stand_side_by_side_and_layers_keep_their_order() -> None:
    student, teacher = ["stage 1", "stage 2", "embedding", "logits"], [*(f"stage {n}" for n in "123"), "logits"]
    mine, its = feature_diagram.levels(student, teacher, [("stage 1", "stage 2"), ("stage 2", "stage 3")])
    assert (mine["stage 1"], mine["stage 2"], mine["logits"]) == (its["stage 2"], its["stage 3"], its["logits"])
    assert list(mine.values()) == sorted(set(mine.values()))
    assert list(its.values()) == sorted(set(its.values()))


def test_the_drawing_shows_labels_and_soft_targets_only_where_the_loss_has_them() -> None:
    def kinds(**flat: str) -> list[str]:
        return [link["kind"] for link in drawn(from_flat(flat))["links"]]

    assert kinds() == ["matched", "labels"]
    assert kinds(alpha="1") == ["matched"]
    assert kinds(alpha="0") == ["idle", "labels"]
    assert kinds(method="hints", soft_weight="1", label_weight="0") == ["matched", "soft"]
    assert drawn(from_flat({"method": "label_smoothing"}))["teacher"]["note"] == "not asked"


def test_a_classifier_that_stays_is_drawn_in_the_student() -> None:
    facts = drawn(from_flat({**CONVOLUTIONS, "method": "reused_classifier"}))
    own = [tap["name"] for tap in facts["student"]["taps"] if "of" not in tap]
    reused = [(tap["name"], tap["shape"]) for tap in facts["student"]["taps"] if tap.get("of") == "teacher"]
    assert own == ["stage 1", "stage 2"]
    assert reused == [("embedding", "1024"), ("logits", "10")]
    assert "staying with the student" in facts["between"]


def test_an_option_matters_if_the_formula_changes_with_it() -> None:
    options = from_flat({"method": "hints"}).live_options()
    hints = from_flat({"method": "hints"}).method
    assert not affects_loss(hints, "temperature", options["temperature"])
    assert affects_loss(hints, "soft_weight", options["soft_weight"])
    assert affects_loss(hints.with_values(soft_weight=1), "temperature", options["temperature"])
    assert method_summary(hints) == "Hints (FitNets), weight 100"
    assert method_summary(from_flat({}).method) == "Soft targets, T 4, α 0.9"
