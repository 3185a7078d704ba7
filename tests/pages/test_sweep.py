"""Tests of the Sweep page without a browser."""

from __future__ import annotations

import re
import statistics
from collections.abc import Callable
from urllib.parse import parse_qsl

import pytest
from streamlit.testing.v1 import AppTest

from kd_core.base.events import Validated
from kd_core.base.options import options_of
from kd_core.base.registry import plugins
from kd_core.config.run import RunConfig, from_flat
from kd_core.config.sweep import Axis, Sweep, value_title
from kd_core.config.validation import all_options
from kd_core.runs.manager import RunManager
from kd_core.runs.sweeps import sweep_eta
from pages.ui.app import settings
from pages.ui.sweep import heatmap
from pages.ui.sweep.settings import SweepOptions
from pages.ui.widgets.color_scales import colour_at, text_colour
from tests.pages.test_compare import all_texts
from tests.pages.test_distill import Open, button
from tools.testing.waiting import wait, wait_for_end
from tools.testing.widgets import named, open_tables

SMALL = {"dataset": "moons", "epochs": "6", "teacher_epochs": "1", "labelled": "40"}
GRID = {"across_values": "1, 4", "down_values": "0.3, 0.9", "seeds": "1"}
LONG = {**SMALL, "epochs": "9000"}
TEST_RESULT = "Test-set result"
AXES = (Axis("temperature", ("1", "4")), Axis("alpha", ("0.3", "0.9")))
OpenSweep = Callable[..., AppTest]


@pytest.fixture(autouse=True)
def _no_time_trials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweep_eta.SweepEstimator, "request", lambda *_: False)


@pytest.fixture
def open_sweep(open_page: Open) -> OpenSweep:
    return lambda **link: open_page("sweep", **link)


@pytest.fixture
def ended_sweep(shared: RunManager) -> str:
    name = shared.start_sweep(Sweep(from_flat(SMALL), AXES, (0, 1, 2)))
    assert wait_for_end(shared, name, 60) == "completed"
    return name


def table(app: AppTest):
    return next(frame.value for frame in open_tables(app).dataframe if "spread of gain" in frame.value.columns)


def links(app: AppTest) -> list[tuple[str, str]]:
    protos = [element.proto for element in app.get("page_link")]
    return [(proto.page.rsplit("/", 1)[-1], proto.query_string) for proto in protos]


def test_a_first_visit_proposes_temperature_and_alpha_on_fifty_digits(open_sweep: OpenSweep) -> None:
    app = open_sweep()
    words = all_texts(app)
    assert "**5 × 5 = 25 cells × 3 seeds = 75 runs** of at most 2,000." in words
    assert "**Handwritten digits** (50 labelled images, no label noise)" in words
    assert "student MLP 64" in words
    assert [app.text_input(key=f"survey {name}_values").value for name in ("across", "down")] == [
        "1, 2, 4, 8, 16",
        "0.1, 0.3, 0.5, 0.7, 0.9",
    ]


@pytest.mark.slow
def test_the_map_has_the_numbers_of_single_runs_up_to_rounding(open_sweep: OpenSweep, shared: RunManager) -> None:
    app = open_sweep(**SMALL, **GRID)
    button(app, "Start the sweep").click().run()
    name = app.query_params["sweep"]
    assert wait_for_end(shared, name, 60) == "completed"
    app.run()
    assert "All 4 runs are complete" in all_texts(app)
    cells = table(app)
    assert cells[["Temperature T", "Teacher weight α"]].values.tolist() == [
        ["1", "0.3"],
        ["1", "0.9"],
        ["4", "0.3"],
        ["4", "0.9"],
    ]
    for row in cells.to_dict("records"):
        alone = {"temperature": row["Temperature T"], "alpha": row["Teacher weight α"]}
        run = shared.start(from_flat({**SMALL, **alone}))
        assert wait_for_end(shared, run, 60) == "completed"
        last = [event for _, event in shared.store.events(run, kinds=["validated"]) if isinstance(event, Validated)][-1]
        assert row["accuracy, %"] == pytest.approx(100 * last.accuracy["student"], abs=1e-4)
        assert row["baseline, %"] == pytest.approx(100 * last.accuracy["baseline"], abs=1e-4)
        assert row["gain"] == pytest.approx(row["accuracy, %"] - row["baseline, %"])


@pytest.mark.parametrize(
    ("link", "sentence"),
    [
        ({"across_values": "1, x"}, '“Temperature T” = "x": choose a number from 0.5 to 20.'),
        ({"across_values": "1, 900"}, '“Temperature T” = "900": choose a number from 0.5 to 20.'),
        ({"across_values": "2, 4, 2.0"}, "“Temperature T”: 2.0 is given twice. Remove one of them."),
        ({"across_values": ","}, "lacks a value beside a comma"),
        (
            {"across": "epochs", "down": "alpha", "across_values": ",".join(map(str, range(1, 60))), "seeds": "20"},
            "This sweep has 2,360 runs; the maximum is 2,000. Choose fewer values or seeds.",
        ),
        ({"down": "temperature"}, "“Temperature T” is varied twice. Choose different options."),
    ],
)
def test_invalid_values_are_reported_and_stay_in_the_boxes(
    open_sweep: OpenSweep, link: dict[str, str], sentence: str
) -> None:
    app = open_sweep(**{**SMALL, **GRID, **link})
    assert sentence in all_texts(app)
    assert button(app, "Start the sweep").disabled
    if values := link.get("across_values"):
        assert named(app, "text_input", "survey across_values").value == values


@pytest.mark.parametrize(
    ("link", "counted"),
    [
        ({"across_values": "4"}, "1 × 2 = 2 cells × 1 seed = 2 runs"),
        ({"across_values": "4, 1"}, "2 × 2 = 4 cells × 1 seed = 4 runs"),
        ({"down": "none"}, "2 cells × 1 seed = 2 runs"),
    ],
)
def test_one_value_reversed_values_and_one_option_are_sweeps_too(
    open_sweep: OpenSweep, shared: RunManager, link: dict[str, str], counted: str
) -> None:
    app = open_sweep(**{**SMALL, **GRID, **link})
    assert counted in all_texts(app)
    button(app, "Start the sweep").click().run()
    name = app.query_params["sweep"]
    assert wait_for_end(shared, name, 60) == "completed"
    app.run()
    first = link.get("across_values", "1").split(",")[0]
    assert table(app)["Temperature T"].tolist()[0] == first
    assert any(f"Temperature T {first}" in heading.value for heading in app.subheader)


def test_another_option_on_an_axis_has_its_own_default_values(open_sweep: OpenSweep) -> None:
    app = open_sweep(**SMALL, **GRID)
    app.selectbox(key="survey across").select("learning_rate").run()
    assert named(app, "text_input", "survey across_values").value == "0.00075, 0.0015, 0.003, 0.006, 0.012"
    assert app.query_params["across"] == "learning_rate"
    assert app.query_params["down_values"] == "0.3, 0.9"
    assert app.selectbox(key="survey down").value == "alpha"
    assert not app.error


def test_the_test_result_of_one_cell_is_shown_after_the_end_and_kept_in_the_link(
    open_sweep: OpenSweep, ended_sweep: str
) -> None:
    app = open_sweep(sweep=ended_sweep)
    assert TEST_RESULT not in all_texts(app)
    assert "The best of 4" in all_texts(app)
    best = table(app).set_index("best").loc["★"]
    button(app, "Confirm on test").click().run()
    app.run()
    assert app.query_params["confirmed"] == f"{best['Temperature T']},{best['Teacher weight α']}"
    assert TEST_RESULT in all_texts(app)
    assert "over 3 seeds" in all_texts(app).split(TEST_RESULT)[1]
    other = open_sweep(sweep=ended_sweep, confirmed=app.query_params["confirmed"], cell="1,0.3")
    assert "Temperature T 1, Teacher weight α 0.3" in all_texts(other)
    assert TEST_RESULT in all_texts(other)
    assert not [widget for widget in other.button if widget.label == "Confirm on test"]


@pytest.mark.slow
def test_a_cell_links_to_its_runs_on_distill_inspect_and_compare(
    open_sweep: OpenSweep, open_page: Open, ended_sweep: str, shared: RunManager
) -> None:
    app = open_sweep(sweep=ended_sweep, cell="4,0.3")
    wanted = [run.id for run in shared.store.members(ended_sweep)[6:9]]
    assert [query for page, query in links(app) if page == "distill" and "run=" in query] == [
        f"run={run}" for run in wanted
    ]
    assert ("inspect", f"run={wanted[0]}") in links(app)
    assert "over 3 seeds" in all_texts(open_page("distill", run=wanted[0]))
    inspected = open_page("inspect", run=wanted[0])
    assert not inspected.error
    assert len(inspected.header) == 5
    assert "**3 of 12** compared" in all_texts(open_page("compare", runs=",".join(wanted)))


@pytest.mark.slow
def test_which_method_is_best_is_one_click_on_a_completed_run(
    open_sweep: OpenSweep, open_page: Open, shared: RunManager
) -> None:
    run = shared.start(from_flat({**SMALL, "epochs": "2"}))
    assert wait_for_end(shared, run, 60) == "completed"
    app = open_page("distill", run=run)
    button(app, "Which method is best here?").click().run()
    assert app.title[0].value == "Sweep"
    name = app.query_params["sweep"]
    assert wait_for_end(shared, name, 120) == "completed"
    members = shared.store.members(name)
    methods = list(dict.fromkeys(member.config.method.name for member in members))
    assert [(member.config.method.name, member.seed) for member in members] == [
        (method, seed) for method in methods for seed in range(5)
    ]
    assert "soft_targets" in methods
    assert "attention" not in methods  # the student has no feature maps
    app = open_sweep(sweep=name)
    cells = table(app)
    assert len(cells) == len(methods)
    assert list(cells["accuracy, %"]) == sorted(cells["accuracy, %"], reverse=True)
    assert cells["95 % interval"].notna().all()
    assert cells["best"].tolist().count("★") == 1
    assert f"corrected for {len(methods)} comparisons (Holm)" in all_texts(app)
    assert not app.get("plotly_chart")[1:]  # the slice alone, no maps
    button(app, "Confirm on test").click().run()
    assert "over 5 seeds" in all_texts(app).split(TEST_RESULT)[1]


def test_all_stands_for_every_method_that_applies_and_the_others_are_listed(open_sweep: OpenSweep) -> None:
    app = open_sweep(**SMALL, across="method", down="epochs", down_values="2, 3", seeds="1")
    assert named(app, "text_input", "survey across_values").value == "all"
    count = len(plugins("methods")) - sum(
        sentence.startswith("- ") for block in app.markdown for sentence in block.value.splitlines()
    )
    assert f"{count} × 2 = {2 * count} cells × 1 seed" in all_texts(app)
    assert "- attention is left out: Attention transfer needs feature maps" in all_texts(app)


def test_a_third_axis_has_a_pair_of_maps_for_each_of_its_values(open_sweep: OpenSweep, shared: RunManager) -> None:
    name = shared.start_sweep(Sweep(from_flat(SMALL), (*AXES, Axis("learning_rate", ("0.01", "0.03", "0.1")))))
    assert wait_for_end(shared, name, 60) == "completed"
    app = open_sweep(sweep=name, cell="4,0.3,0.03")
    headings = [heading.value.replace("\\.", ".") for heading in app.subheader]
    assert [heading for heading in headings if heading.startswith("Learning rate ")] == [
        "Learning rate 0.01", "Learning rate 0.03", "Learning rate 0.1"
    ]  # fmt: skip
    assert len(app.get("plotly_chart")) == 6 + 3
    assert "Selected cell: Temperature T 4, Teacher weight α 0.3, Learning rate 0.03" in headings
    assert len(table(app)) == 12


def test_each_scheme_of_a_sweep_is_compared_with_its_own_control(open_sweep: OpenSweep, shared: RunManager) -> None:
    quick = {"dataset": "moons", "labelled": "40", "epochs": "2", "teacher_epochs": "1"}
    name = shared.start_sweep(Sweep(from_flat(quick), (Axis("scheme", ("offline", "defective", "mutual")),), (0, 1)))
    assert wait_for_end(shared, name, 60) == "completed"
    cells = table(open_sweep(sweep=name)).set_index("Distillation scheme")
    members = shared.store.members(name)
    for number, scheme in enumerate(("offline", "defective", "mutual")):
        compared = members[2 * number].config.scheme.comparison
        gains = []
        for member in members[2 * number : 2 * number + 2]:
            events = [event for _, event in shared.store.events(member.id, kinds=["validated"])]
            last, control = (
                next(event.accuracy[role] for event in reversed(events) if role in event.accuracy)
                for role in (compared.role, compared.control)
            )
            gains.append(100 * (last - control))
        assert cells.loc[value_title("scheme", scheme), "gain"] == pytest.approx(statistics.fmean(gains))


def test_a_missing_sweep_is_reported_and_can_be_dismissed(open_sweep: OpenSweep) -> None:
    app = open_sweep(sweep="0123456789", cell="4,0.9")
    assert "There is no sweep called “0123456789” here." in all_texts(app)
    button(app, "Show the page without it").click().run()
    assert "sweep" not in app.query_params
    assert "75 runs" in all_texts(app)


def test_invalid_settings_in_a_link_are_reported(open_sweep: OpenSweep, ended_sweep: str) -> None:
    words = all_texts(open_sweep(**SMALL, across="beauty", seeds="0", colour="red"))
    assert "beauty" in words
    assert "seeds = " in words
    assert "colour" in words
    assert open_sweep(sweep=ended_sweep, cell="77,0.3").warning


@pytest.mark.slow
def test_an_unfinished_sweep_can_be_paused_stopped_and_resumed(open_sweep: OpenSweep, shared: RunManager) -> None:
    name = shared.start_sweep(Sweep(from_flat(LONG), AXES))
    first = shared.store.members(name)[0].id
    wait(lambda: shared.store.count(first) > 5, 60)
    app = open_sweep(sweep=name)
    button(app, "Pause").click().run()
    wait(lambda: shared.status(name).state == "paused")
    app.run()
    assert TEST_RESULT not in all_texts(app)
    assert button(app, "Confirm on test").disabled
    button(app, "Stop and keep").click().run()
    assert wait_for_end(shared, name, 60) == "stopped"
    app.run()
    assert "0 of 4 cells are complete, the map is at epoch" in all_texts(app)
    assert table(app)["seeds"].tolist() == [1, 1, 1, 1]
    app.button(key="proceed").click().run()
    wait(lambda: shared.status(name).is_active)
    shared.stop(name)
    wait_for_end(shared, name, 60)


def test_a_waiting_sweep_shows_its_place_in_the_queue_and_the_time(open_sweep: OpenSweep, shared: RunManager) -> None:
    names = [shared.start_sweep(Sweep(from_flat(LONG), AXES)) for _ in range(2)]
    wait(lambda: shared.status(names[1]).wait, 60)
    bar = open_sweep(sweep=names[1]).get("progress")[0].proto.text
    assert re.search(r"\b1\b.*\d+:\d\d", bar)
    for name in names:
        shared.stop(name)
    wait(lambda: not any(shared.status(name).is_active for name in names), 60)


def test_the_pace_of_an_ended_sweep_gives_an_estimate(open_sweep: OpenSweep, ended_sweep: str) -> None:
    assert "at the pace of a similar sweep" in all_texts(open_sweep(**SMALL, across_values="1, 4", seeds="2"))


def test_distill_and_sweep_link_to_each_other_with_the_same_settings(open_page: Open, open_sweep: OpenSweep) -> None:
    (there,) = [query for page, query in links(open_page("distill", **SMALL)) if page == "sweep"]
    settings = dict(parse_qsl(there))
    assert {"dataset": "moons", "epochs": "6"}.items() <= settings.items()
    (back,) = [query for page, query in links(open_sweep(**settings)) if page == "distill"]
    assert dict(parse_qsl(back)) == settings


def test_no_setting_of_a_run_has_the_name_of_an_option_of_this_page() -> None:
    names = {name for name, _, _ in all_options()} | set(options_of(settings.DistillOptions)) | set(settings.CARDS)
    assert not names & set(options_of(SweepOptions))


def test_numbers_in_cells_are_black_or_white_for_the_better_contrast() -> None:
    assert text_colour((1.0, 1.0, 0.8)) == "#000000"
    assert text_colour((0.0, 0.13, 0.3)) == "#FFFFFF"
    scale = ((0.0, "#000000"), (0.5, "#FF0000"), (1.0, "#FFFFFF"))
    assert colour_at(scale, 0.25) == pytest.approx((0.5, 0, 0))
    assert colour_at(scale, 1.0) == pytest.approx((1, 1, 1))


def test_the_text_alternative_of_a_map_names_its_highest_and_lowest_cell(small: RunConfig) -> None:
    from tests.analysis.test_sweep_results import filled

    results = filled(small, (0.8, 0.7), (0.9, 0.8), (0.6, 0.7), (0.6, 0.7))
    assert statistics.fmean(results.cells[1].accuracies) == pytest.approx(60)
    words = heatmap.text_alternative(results, heatmap.GAIN)
    assert "highest +10.0 at Temperature T 8, Teacher weight α 0.3" in words
    assert "lowest −10.0 at Temperature T 8, Teacher weight α 0.9" in words
