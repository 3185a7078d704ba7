"""Texts about the plan of a run, its networks, its loss and the combination of teachers."""

import pytest

from kd_core.base.registry import make
from kd_core.methods import Method
from kd_core.runs.manager import RunManager
from pages.ui.run.history import describe_run
from pages.ui.widgets.text import plan
from tests.pages.test_distill import Open, run_to_end, texts
from tests.pages.test_scheme_form import config_of, diagram, nodes


@pytest.mark.parametrize(
    ("name", "flat", "line"),
    [
        ("offline", {}, "teacher CNN 16×2 · student MLP 64"),
        ("reversed", {}, "teacher MLP 64 · student CNN 16×2"),
        ("mutual", {}, "student and peer 2 MLP 64"),
        ("own_teacher", {}, "student CNN 16×3 · exit 1 and exit 2"),
        ("self_attention", {}, "student CNN 8×3"),
        ("born_again", {}, "generation 1 (baseline), generation 2 and student MLP 64"),
        ("ensemble", {}, "teacher 1 … 3 CNN 16×2 · student and student’s student MLP 64"),
        ("rocket", {}, "booster CNN 16×2 · student CNN 8×2"),
    ],
)
def test_a_run_is_described_by_its_networks_and_their_roles(name: str, flat: dict[str, str], line: str) -> None:
    assert plan.describe_networks(config_of(name, **flat)) == line


def test_the_description_of_a_run_is_shown_on_its_page(open_page: Open, shared: RunManager) -> None:
    run = run_to_end(shared, scheme="reversed", teacher="mlp", teacher_widths="32", student_widths="8")
    line = describe_run(shared.store.run(run))
    assert "teacher MLP 8 · student MLP 32" in line
    assert line in texts(open_page("distill", run=run))


@pytest.mark.parametrize(
    ("name", "flat", "compared"),
    [
        ("offline", {}, r"\text{teacher} \parallel \text{student}"),
        ("mutual", {}, r"\text{peer 2} \parallel \text{student}"),
        ("mutual", {"peers": "3"}, r"\text{each of peer 2 and peer 3} \parallel \text{student}"),
        ("own_teacher", {}, r"\text{student} \parallel \text{exit}"),
        ("ensemble", {}, r"\text{mean of teacher 1 … 3} \parallel \text{student}"),
        ("self_attention", {}, r"\mathrm{MSE}(A^l_\text{student}, A^l_\text{later layers})"),
        ("mutual", {"method": "hard_labels"}, r"\text{peer 2’s top class}"),
    ],
)
def test_the_formula_names_teachers_and_learner(name: str, flat: dict[str, str], compared: str) -> None:
    config = config_of(name, **flat)
    assert compared in plan.formula(config, config.method)


def test_offline_distillation_has_the_formula_of_its_method() -> None:
    config = config_of("offline")
    assert plan.formula(config, config.method) == config.method.to_latex()


@pytest.mark.parametrize(
    ("method", "loss"),
    [
        ({}, r"\text{loss} = 0.9 \cdot 4^2 \cdot \mathrm{KL}_{T=4}(\text{teacher} \parallel \text{student})"),
        ({"alpha": "0"}, r"\text{loss} = 0"),
        ({"method": "dkd"}, r"\text{loss} = 1 \cdot 4^2 \cdot (1\,\mathrm{TCKD} + 8\,\mathrm{NCKD})"),
        ({"method": "hard_labels"}, r"\text{loss} = 0.5 \cdot \mathrm{CE}(\text{teacher’s top class})"),
    ],
)
def test_the_formula_of_a_learner_without_labels_has_no_term_for_them(method: dict[str, str], loss: str) -> None:
    config = config_of("merge", **method)
    assert plan.formula(config, config.method) == loss


def test_a_method_that_does_not_fit_the_run_has_a_formula() -> None:
    method = make("methods", {"name": "attention"})
    assert isinstance(method, Method)
    assert r"A^l_\text{peer 2}" in plan.formula(config_of("mutual"), method)


def edge_labels(facts: dict, role: str) -> list[str]:
    end = nodes(facts)[role]["id"]
    return [edge["label"] for edge in facts["edges"] if edge["to"] == end and edge["kind"] == "teaches"]


@pytest.mark.parametrize(
    ("flat", "label"),
    [
        ({}, "Soft targets, mean of probabilities"),
        ({"combine": "logits", "shares": "1-1-1"}, "Soft targets, mean of logits"),
        ({"combine": "losses", "shares": "2-1-1"}, "Soft targets, mean of losses, weights 2 : 1 : 1"),
    ],
)
def test_the_edge_from_several_teachers_is_labelled_with_their_combination_and_weights(
    flat: dict[str, str], label: str
) -> None:
    (text,) = edge_labels(diagram("ensemble", **flat), "Student")
    assert text.replace("\u00a0", " ") == label
    assert edge_labels(diagram("offline"), "Student") == ["Soft targets"]


def test_networks_trained_on_correct_labels_have_no_error_mark() -> None:
    for name in ("offline", "unlabelled", "merge"):
        assert not any("✕" in node["data"] for node in nodes(diagram(name)).values())


def test_the_diagram_names_a_teaching_baseline_by_its_generation() -> None:
    by_role = nodes(diagram("born_again"))
    assert "Generation 1 (baseline)" in by_role
    assert by_role["Generation 2"]["teaching"].startswith("generation 1 (baseline), through")
    assert "generation 1 (baseline)" in by_role["Ensemble"]["network"]
