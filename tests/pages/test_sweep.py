"""The Sweep page without a browser."""

from __future__ import annotations

import re
import statistics
from collections.abc import Callable
from urllib.parse import parse_qsl

import pytest
from streamlit.testing.v1 import AppTest

from kd_core.base.events import Validated
from kd_core.base.options import options_of
from kd_core.config.run import RunConfig, from_flat
from kd_core.config.sweep import Axis, Sweep
from kd_core.runs import sweep_eta
from kd_core.runs.manager import RunManager
from pages.ui.app import settings
from pages.ui.sweep import heatmap, url_state
from pages.ui.widgets.color_scales import colour_at, text_colour
from tests.pages.test_compare import said
from tests.pages.test_distill import Open, button
from tools.testing.waiting import wait, wait_for_end
from tools.testing.widgets import named

SMALL = {"dataset": "moons", "epochs": "6", "teacher_epochs": "1", "labelled": "40"}
GRID = {"across_values": "1, 4", "down_values": "0.3, 0.9", "seeds": "1"}
LONG = {**SMALL, "epochs": "9000"}
AXES = (Axis("temperature", ("1", "4")), Axis("alpha", ("0.3", "0.9")))
Look = Callable[..., AppTest]


@pytest.fixture(autouse=True)
def _no_trials(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is tried out beside the tests."""
    monkeypatch.setattr(sweep_eta.SweepEstimator, "ask", lambda *_: False)


@pytest.fixture
def look(open_page: Open) -> Look:
    return lambda **link: open_page("sweep", autoplay="0", **link)


@pytest.fixture
def ended(shared: RunManager) -> str:
    name = shared.start_sweep(Sweep(from_flat(SMALL), AXES, (0, 1, 2)))
    assert wait_for_end(shared, name, 60) == "completed"
    return name


def table(app: AppTest):
    return next(frame.value for frame in app.dataframe if "spread of gain" in frame.value.columns)


def links(app: AppTest) -> list[tuple[str, str]]:
    found = [element.proto for element in app.get("page_link")]
    return [(link.page.rsplit("/", 1)[-1], link.query_string) for link in found]


def test_a_first_visit_proposes_temperature_and_alpha_of_the_small_student_on_fifty_digits(look: Look) -> None:
    app = look()
    words = said(app)
    assert "**5 × 5 = 25 cells × 3 seeds = 75 runs** of at most 2,000." in words
    assert "**Handwritten digits** (50 labelled images, no label noise)" in words
    assert "student MLP 64" in words
    assert [app.text_input(key=f"survey {name}_values").value for name in ("across", "down")] == [
        "1, 2, 4, 8, 16",
        "0.1, 0.3, 0.5, 0.7, 0.9",
    ]


def test_the_map_has_the_numbers_of_single_runs_but_for_rounding(look: Look, shared: RunManager) -> None:
    app = look(**SMALL, **GRID)
    button(app, "Start the sweep").click().run()
    name = app.query_params["sweep"]
    assert wait_for_end(shared, name, 60) == "completed"
    app.run()
    assert "All 4 runs are complete" in said(app)
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
        last = [own for _, own in shared.store.events(run, kinds=["validated"]) if isinstance(own, Validated)][-1]
        assert row["accuracy, %"] == pytest.approx(100 * last.accuracy["student"], abs=1e-4)
        assert row["baseline, %"] == pytest.approx(100 * last.accuracy["baseline"], abs=1e-4)
        assert row["gain"] == pytest.approx(row["accuracy, %"] - row["baseline, %"])


@pytest.mark.parametrize(
    ("link", "sentence"),
    [
        ({"across_values": "1, x"}, '“Temperature T” = "x": choose a number from 0.5 to 20.'),
        ({"across_values": "1, 900"}, '“Temperature T” = "900": choose a number from 0.5 to 20.'),
        ({"across_values": "2, 4, 2.0"}, "“Temperature T”: 2.0 is given twice. Remove one of them."),
        ({"across_values": ","}, "“Temperature T”: choose at least one value."),
        (
            {"across": "epochs", "down": "alpha", "across_values": ",".join(map(str, range(1, 60))), "seeds": "20"},
            "This sweep has 2,360 runs; the maximum is 2,000. Choose fewer values or seeds.",
        ),
        ({"down": "temperature"}, "“Temperature T” is varied twice. Choose two different options."),
    ],
)
def test_values_that_make_no_sweep_are_answered_and_stay(look: Look, link: dict[str, str], sentence: str) -> None:
    app = look(**{**SMALL, **GRID, **link})
    assert sentence in said(app)
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
    look: Look, shared: RunManager, link: dict[str, str], counted: str
) -> None:
    app = look(**{**SMALL, **GRID, **link})
    assert counted in said(app)
    button(app, "Start the sweep").click().run()
    name = app.query_params["sweep"]
    assert wait_for_end(shared, name, 60) == "completed"
    app.run()
    first = link.get("across_values", "1").split(",")[0]
    assert table(app)["Temperature T"].tolist()[0] == first
    assert "The chosen cell" in said(app)


def test_another_option_brings_values_of_its_own(look: Look) -> None:
    app = look(**SMALL, **GRID)
    app.selectbox(key="survey across").select("learning_rate").run()
    assert named(app, "text_input", "survey across_values").value == "0.00075, 0.0015, 0.003, 0.006, 0.012"
    assert app.query_params["across"] == "learning_rate"
    assert app.query_params["down_values"] == "0.3, 0.9"
    assert app.selectbox(key="survey down").value == "alpha"
    assert not app.error


def test_the_test_split_is_asked_for_one_cell_after_the_end_and_the_link_keeps_it(look: Look, ended: str) -> None:
    app = look(sweep=ended)
    assert "on the test split, over" not in said(app)
    assert "The best of 4 on the validation split" in said(app)
    best = table(app).set_index("best").loc["★"]
    button(app, "Confirm on test").click().run()
    app.run()
    assert app.query_params["confirmed"] == f"{best['Temperature T']},{best['Teacher weight α']}"
    assert "on the test split, over 3 seeds" in said(app)
    other = look(sweep=ended, confirmed=app.query_params["confirmed"], cell="1,0.3")
    assert "Temperature T 1, Teacher weight α 0.3" in said(other)
    assert "on the test split, over 3 seeds" in said(other)
    assert not [own for own in other.button if own.label == "Confirm on test"]


def test_the_runs_of_a_cell_are_one_click_away_and_the_pages_open_them(
    look: Look, open_page: Open, ended: str, shared: RunManager
) -> None:
    app = look(sweep=ended, cell="4,0.3")
    wanted = [run.id for run in shared.store.members(ended)[6:9]]
    found = links(app)
    assert [query for page, query in found if page == "distill" and "run=" in query] == [f"run={one}" for one in wanted]
    assert ("inspect", f"run={wanted[0]}") in found
    assert "over 3 seeds" in said(open_page("distill", run=wanted[0], autoplay="0"))
    inspected = open_page("inspect", run=wanted[0], autoplay="0")
    assert not inspected.error
    assert "How many of each class are found" in said(inspected)
    assert "**3 of 12** compared" in said(open_page("compare", runs=",".join(wanted), autoplay="0"))


def test_a_sweep_that_is_gone_is_said_and_the_page_goes_on_without_it(look: Look) -> None:
    app = look(sweep="0123456789", cell="4,0.9")
    assert "There is no sweep called “0123456789” here." in said(app)
    button(app, "Show the page without it").click().run()
    assert "sweep" not in app.query_params
    assert "75 runs" in said(app)


def test_a_link_that_asks_for_nonsense_is_answered(look: Look, ended: str) -> None:
    words = said(look(**SMALL, across="beauty", seeds="0", colour="red"))
    assert "beauty: these runs have no such option to vary." in words
    assert "seeds = " in words
    assert "colour: there is no such setting." in words
    assert "names a cell that this sweep does not have" in said(look(sweep=ended, cell="77,0.3"))


def test_an_unfinished_sweep_is_shown_paused_stopped_kept_and_gone_on_with(look: Look, shared: RunManager) -> None:
    name = shared.start_sweep(Sweep(from_flat(LONG), AXES))
    first = shared.store.members(name)[0].id
    wait(lambda: shared.store.count(first) > 5, 60)
    app = look(sweep=name)
    button(app, "Pause").click().run()
    wait(lambda: shared.status(name).state == "paused")
    app.run()
    assert "on the test split, over" not in said(app)
    assert button(app, "Confirm on test").disabled
    button(app, "Stop and keep").click().run()
    assert wait_for_end(shared, name, 60) == "stopped"
    app.run()
    assert "You stopped this sweep: 0 of 4 cells are complete, the map is at epoch" in said(app)
    assert table(app)["seeds"].tolist() == [1, 1, 1, 1]
    button(app, "Go on with it").click().run()
    wait(lambda: shared.status(name).is_active)
    shared.stop(name)
    wait_for_end(shared, name, 60)


def test_a_sweep_that_waits_says_how_many_are_before_it_and_for_about_how_long(look: Look, shared: RunManager) -> None:
    names = [shared.start_sweep(Sweep(from_flat(LONG), AXES)) for _ in range(2)]
    wait(lambda: shared.status(names[1]).wait, 60)
    bar = look(sweep=names[1]).get("progress")[0].proto.text
    assert re.fullmatch(r"Waiting: 1 before it in the queue, about \d+:\d\d\.", bar)
    for name in names:
        shared.stop(name)
    wait(lambda: not any(shared.status(name).is_active for name in names), 60)


def test_the_pace_of_an_ended_sweep_is_said_with_its_source(look: Look, ended: str) -> None:
    assert "at the pace of a like sweep that ended here." in said(look(**SMALL, across_values="1, 4", seeds="2"))


def test_the_lab_leads_here_with_its_settings_and_here_back(open_page: Open, look: Look) -> None:
    app = open_page("distill", autoplay="0", **SMALL)
    button(app, "Sweep this").click().run()
    assert app.title[0].value == "Sweep"
    settings = {name: app.query_params[name] for name in app.query_params}
    assert {"dataset": "moons", "epochs": "6"}.items() <= settings.items()
    (back,) = [query for page, query in links(look(**SMALL)) if page == "distill"]
    assert dict(parse_qsl(back)) == settings


def test_no_setting_of_a_run_is_called_like_one_of_this_page() -> None:
    from kd_core.config.run import all_options as every

    names = {name for name, _, _ in every()} | set(settings.RESERVED) | set(settings.CARDS)
    assert not names & set(options_of(url_state.SweepOptions))


def test_numbers_in_cells_are_black_or_white_whichever_is_read_better() -> None:
    assert text_colour((1.0, 1.0, 0.8)) == "#000000"
    assert text_colour((0.0, 0.13, 0.3)) == "#FFFFFF"
    scale = ((0.0, "#000000"), (0.5, "#FF0000"), (1.0, "#FFFFFF"))
    assert colour_at(scale, 0.25) == pytest.approx((0.5, 0, 0))
    assert colour_at(scale, 1.0) == pytest.approx((1, 1, 1))


def test_the_alternative_of_a_map_names_its_highest_and_lowest_cell(small: RunConfig) -> None:
    from tests.analysis.test_sweep_results import filled

    found = filled(small, (0.8, 0.7), (0.9, 0.8), (0.6, 0.7), (0.6, 0.7))
    assert statistics.fmean(found.cells[1].accuracies) == pytest.approx(60)
    words = heatmap.in_words(found, heatmap.GAIN)
    assert "highest +10.0 at Temperature T 8, Teacher weight α 0.3" in words
    assert "lowest −10.0 at Temperature T 8, Teacher weight α 0.9" in words
