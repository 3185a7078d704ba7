"""Choice of the method on the form, and the diagram of the features that it matches."""

import re

import pytest
from streamlit.testing.v1 import AppTest

from kd_core.analysis.feature_matching import match_table
from kd_core.base.registry import plugins
from kd_core.config.run import RunConfig, from_flat
from kd_core.methods import FAMILIES
from kd_core.runs.manager import RunManager
from pages.ui.form import feature_diagram, method_card
from pages.ui.widgets import options
from pages.ui.widgets.text import plan
from pages.ui.widgets.text.summaries import affects_loss, method_summary
from tests.pages.test_distill import Open, button, texts
from tools.testing.methods import BY_NAME
from tools.testing.networks import networks_for
from tools.testing.widgets import named, open_settings

CONVOLUTIONS = {"student": "cnn", "student_width": "8", "teacher_depth": "3"}


def select(app: AppTest, name: str, value: str, place: str = "set") -> AppTest:
    return named(app, "selectbox", f"{place} {name}").select(value).run()


def diagram(config: RunConfig) -> dict:
    return feature_diagram.facts(config, match_table(config.method, config.pair))


def test_methods_are_listed_by_family() -> None:
    titles = list(method_card.titles().values())
    families = [title.split(" · ")[0] for title in titles]
    assert list(dict.fromkeys(families)) == [family.capitalize() for family in FAMILIES]
    assert "Feature · Hints (FitNets)" in titles
    assert len(titles) == len(plugins("methods"))


@pytest.mark.slow
def test_only_methods_that_fit_are_offered_and_the_others_are_listed_with_the_reason(open_page: Open) -> None:
    app = open_page("distill")
    methods = app.selectbox(key="set method").options
    assert "Feature · Hints (FitNets)" in methods
    assert "Feature · Attention transfer (AT)" not in methods
    assert re.search(r"\d+ methods do not fit these networks", app.selectbox(key="set method").help)
    text = texts(open_settings(app, "Method")).replace("\\", "")
    assert "Attention transfer" in text
    assert re.search(r"feature maps .*embedding \(64\)", text)
    assert re.search(r"a CNN or .* as student\.", text)
    select(app, "student", "cnn")
    assert "Feature · Attention transfer (AT)" in app.selectbox(key="set method").options


def test_a_method_is_shown_with_its_formula_options_and_description(open_page: Open) -> None:
    app = open_page("distill", **CONVOLUTIONS)
    select(app, "method", "attention")
    cls = plugins("methods")["attention"]
    assert app.latex[0].value.strip("$\n") == plan.in_lines(cls().to_latex())  # type: ignore[attr-defined]
    text = texts(open_settings(app, "Method")).replace("\\", "")
    for fact in (cls.summary, cls.paper, cls.requires, cls.defaults_source, cls.pitfall):  # type: ignore[attr-defined]
        assert fact in text
    app.number_input(key="set weight").set_value(50.0).run()
    assert r"50 \cdot" in app.latex[0].value
    assert app.query_params["weight"] == "50"


def test_a_temperature_without_effect_is_disabled_until_it_has_one(open_page: Open) -> None:
    app = open_page("distill", method="hints")
    assert "set temperature" not in [slider.key for slider in app.slider]
    open_settings(app, "Method")
    assert app.slider(key="all temperature").disabled
    assert options.UNUSED in texts(app)
    app.number_input(key="all soft_weight").set_value(1.0).run()
    assert not app.slider(key="all temperature").disabled
    assert not app.slider(key="set temperature").disabled
    assert not open_page("distill").slider(key="set temperature").disabled


def test_a_method_that_no_longer_fits_stays_selected_with_the_reason_and_can_be_replaced(
    open_page: Open, shared: RunManager
) -> None:
    app = open_page("distill", **CONVOLUTIONS, method="attention")
    select(app, "student", "mlp")
    assert app.selectbox(key="set method").value == "attention"
    (error,) = app.error
    assert "feature maps" in error.value.replace("\\", "")
    assert button(app, "Start training").disabled
    select(app, "method", "hints")
    assert not app.error
    assert not button(app, "Start training").disabled
    assert "Feature · Attention transfer (AT)" not in app.selectbox(key="set method").options


def test_a_link_to_a_method_that_does_not_fit_shows_the_reason(open_page: Open) -> None:
    app = open_page("distill", dataset="moons", method="attention")
    assert "feature maps" in app.error[0].value.replace("\\", "")
    assert app.selectbox(key="set method").value == "attention"  # the user can replace it
    assert next(b for b in app.button if b.label == "Start training").disabled


@pytest.mark.parametrize("name", BY_NAME)
def test_every_method_can_be_chosen_drawn_and_summarised(open_page: Open, name: str) -> None:
    flat = {**networks_for(name, CONVOLUTIONS), "method": name}
    app = open_page("distill", **flat)
    assert not app.error
    config = from_flat(flat)
    facts = diagram(config)
    layers = {side: {layer["name"] for layer in facts[side]["layers"]} for side in ("student", "teacher")}
    for link in facts["links"]:
        assert link["student"] in layers["student"]
        assert link["teacher"] in layers["teacher"] | {"labels"}
        assert link["student"] in facts["sentence"]
    assert method_summary(config.method).startswith(config.method.title)
    assert len(method_summary(config.method)) < 80
    for row in feature_diagram.table(match_table(config.method, config.pair)):
        assert row["adapter"]


def test_matched_layers_share_a_level_and_layers_keep_their_order() -> None:
    student, teacher = ["stage 1", "stage 2", "embedding", "logits"], [*(f"stage {n}" for n in "123"), "logits"]
    student_levels, teacher_levels = feature_diagram.levels(
        student, teacher, [("stage 1", "stage 2"), ("stage 2", "stage 3")]
    )
    assert (student_levels["stage 1"], student_levels["stage 2"], student_levels["logits"]) == (
        teacher_levels["stage 2"],
        teacher_levels["stage 3"],
        teacher_levels["logits"],
    )
    assert list(student_levels.values()) == sorted(set(student_levels.values()))
    assert list(teacher_levels.values()) == sorted(set(teacher_levels.values()))


def test_the_diagram_shows_labels_and_soft_targets_only_if_the_loss_has_them() -> None:
    def kinds(**flat: str) -> list[str]:
        return [link["kind"] for link in diagram(from_flat(flat))["links"]]

    assert kinds() == ["matched", "labels"]
    assert kinds(alpha="1") == ["matched"]
    assert kinds(alpha="0") == ["idle", "labels"]
    assert kinds(method="hints", soft_weight="1", label_weight="0") == ["matched", "soft"]
    assert diagram(from_flat({"method": "label_smoothing"}))["teacher"]["note"] == "not used"


def test_a_reused_classifier_is_drawn_in_the_student() -> None:
    facts = diagram(from_flat({**CONVOLUTIONS, "method": "reused_classifier"}))
    trained = [layer["name"] for layer in facts["student"]["layers"] if "of" not in layer]
    reused = [(layer["name"], layer["shape"]) for layer in facts["student"]["layers"] if layer.get("of") == "teacher"]
    assert trained == ["stage 1", "stage 2"]
    assert reused == [("embedding", "1024"), ("logits", "10")]
    assert feature_diagram.KEPT in facts["between"]


def test_an_option_affects_the_loss_if_the_formula_changes_with_it() -> None:
    declarations = from_flat({"method": "hints"}).live_options()
    hints = from_flat({"method": "hints"}).method
    assert not affects_loss(hints, "temperature", declarations["temperature"])
    assert affects_loss(hints, "soft_weight", declarations["soft_weight"])
    assert affects_loss(hints.with_values(soft_weight=1), "temperature", declarations["temperature"])
    assert method_summary(hints) == "Hints (FitNets), weight 100"
    assert method_summary(from_flat({}).method) == "Soft targets, T 4, α 0.9"
