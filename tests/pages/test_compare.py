"""Tests of the Compare page without a browser."""

from __future__ import annotations

import itertools
import re
import time
from collections.abc import Callable
from dataclasses import replace

import pytest
from streamlit.testing.v1 import AppTest
from torch import Tensor

import kd_core as kd
from kd_core.analysis import comparison, latency
from kd_core.base import metrics
from kd_core.config.run import from_flat
from kd_core.config.sweep import Axis, Sweep
from kd_core.runs.manager import RunManager
from kd_core.store.annotations import normalize
from kd_core.store.queries import ORDERS
from pages.ui.compare import run_rows, run_table, seeds
from pages.ui.widgets import charts
from tests.pages.test_distill import Open, button, run_to_end, texts
from tools.testing.waiting import wait, wait_for_end
from tools.testing.widgets import open_tables

SMALL = {"dataset": "moons", "epochs": "3", "teacher_epochs": "1", "labelled": "40"}
TrainRun = Callable[..., str]
OpenCompare = Callable[..., AppTest]


@pytest.fixture
def open_compare(open_page: Open) -> OpenCompare:
    return lambda **link: open_page("compare", **link)


@pytest.fixture
def train_run(shared: RunManager) -> TrainRun:
    return lambda **changes: run_to_end(shared, **{**SMALL, **changes})


def all_texts(app: AppTest) -> str:
    more = "\n".join(element.value for element in (*app.warning, *app.info, *app.subheader))
    return f"{texts(app)}\n{more}".replace("\\", "")


def stored(app: AppTest):
    return app.dataframe[0].value


def results_of(app: AppTest):
    return next(table.value for table in app.dataframe if "test accuracy, %" in table.value.columns)


def box(app: AppTest, label: str):
    return next(widget for kind in (app.selectbox, app.checkbox, app.slider, app.text_input, app.multiselect)
                for widget in kind if widget.label == label)  # fmt: skip


def test_without_runs_the_page_links_to_distill(open_compare: OpenCompare) -> None:
    app = open_compare()
    assert app.info
    assert [link.proto.page.rsplit("/", 1)[-1] for link in app.get("page_link")] == ["distill"]
    assert not app.dataframe


@pytest.mark.slow
def test_the_newest_six_runs_are_compared_and_named_in_the_url(open_compare: OpenCompare, train_run: TrainRun) -> None:
    ids = [train_run(seed=str(seed)) for seed in range(7)]
    app = open_compare()
    assert "**6 of 7** compared" in all_texts(app)
    assert app.query_params["runs"].split(",") == ids[:0:-1]
    assert stored(app)["letter"].tolist() == ["A B C D E F"]  # one row for all seeds
    assert stored(app)["seed"].tolist() == ["7 seeds"]
    opened = open_compare(runs=app.query_params["runs"], seeds=ids[0])
    assert stored(opened)["letter"].tolist() == [*"ABCDEF", ""]
    train_run(seed="8")  # the same link tomorrow
    again = open_compare(runs=app.query_params["runs"])
    assert again.query_params["runs"] == app.query_params["runs"]


def test_a_sweep_is_one_row_that_opens_to_its_runs(
    open_compare: OpenCompare, train_run: TrainRun, shared: RunManager
) -> None:
    alone = train_run()
    sweep = shared.start_sweep(Sweep(from_flat(SMALL | {"epochs": "2"}), (Axis("alpha", ("0.3", "0.9")),), (0, 1)))
    assert wait_for_end(shared, sweep, 60) == "completed"
    members = [run.id for run in shared.store.members(sweep)]
    app = open_compare(runs=f"{alone},{members[2]}")
    assert stored(app)["run"].tolist() == [sweep, alone]
    assert stored(app)["letter"].tolist() == ["B", "A"]
    row = stored(app).iloc[0]
    assert "Teacher weight α (0.3, 0.9)" in row["name"]
    assert "(4 runs)" in row["name"]
    assert row[["student %", "gain"]].isna().all()
    assert "**2 of 5** compared · 5 match · page 1 of 1" in all_texts(app)
    box(app, "Sweeps and seeds").select((sweep, "")).run()
    assert app.query_params["sweep"] == sweep
    assert sorted(stored(app)["run"]) == sorted(members)
    assert stored(app)["student %"].notna().all()
    assert app.query_params["runs"] == f"{alone},{members[2]}"
    assert "Not stored here" in box(open_compare(sweep="0123456789", runs=alone), "Sweeps and seeds").options


def test_search_and_filters_are_in_the_url_and_select_the_rows(open_compare: OpenCompare, train_run: TrainRun) -> None:
    first, second = train_run(), train_run(method="hard_labels", seed="3")
    app = open_compare()
    box(app, "Search").set_value("hard labels").run()
    assert app.query_params["find"] == "hard labels"
    assert stored(app)["run"].tolist() == [second]
    linked = open_compare(method="soft_targets", runs=first)
    assert stored(linked)["run"].tolist() == [first]
    nothing = open_compare(find="elephant", runs=first)
    assert len(nothing.dataframe) < len(linked.dataframe)
    assert nothing.info


def test_only_differing_settings_are_listed(open_compare: OpenCompare, train_run: TrainRun) -> None:
    runs = [train_run(temperature="2"), train_run(temperature="8")]
    app = open_compare(runs=",".join(runs))
    (differing,) = [frame.value for frame in app.dataframe if "setting" in frame.value.columns]
    assert differing.to_dict("records") == [{"setting": "Temperature T", "A": "2", "B": "8"}]


def test_missing_unfinished_and_incomparable_runs_are_reported(
    open_compare: OpenCompare, train_run: TrainRun, shared: RunManager
) -> None:
    done, other = train_run(), train_run(dataset="circles")
    slow = shared.start(from_flat({**SMALL, "epochs": "400"}), pace=0.5)
    wait(lambda: shared.store.run(slow).state == "training")
    app = open_compare(runs=f"{done},0123456789,{slow},{other}")
    words = all_texts(app)
    assert "“0123456789”" in words
    assert "Run B is training" in words
    assert "different data (Two moons, " in words
    shared.stop(slow)


def test_the_verdict_counts_all_seeds_of_a_group(open_compare: OpenCompare, train_run: TrainRun) -> None:
    runs = [train_run(seed=str(seed)) for seed in range(3)]
    words = all_texts(open_compare(runs=runs[0]))
    assert "over 3 seeds" in words
    assert "A and 2 more seeds" in words
    assert "One seed cannot" in all_texts(open_compare(runs=train_run(temperature="7")))


def test_every_choice_of_the_curves_is_in_the_url(open_compare: OpenCompare, train_run: TrainRun) -> None:
    runs = [train_run(seed=str(seed)) for seed in range(2)]
    link = {"runs": ",".join(runs), "curve": "training_loss", "x": "step", "smooth": "0.5", "log_y": "true",
            "together": "true", "networks": "student,baseline"}  # fmt: skip
    app = open_compare(**link)
    assert box(app, "Curve").value == "training_loss"
    assert box(app, "Log values").value is True
    assert box(app, "Smoothing").value == 0.5
    (summary,) = [frame.value for frame in open_tables(app).dataframe if "curve" in frame.value.columns]
    assert summary["curve"].tolist() == ["● A, B student", "○ A, B baseline"]
    box(app, "Log values").uncheck().run()
    assert "log_y" not in app.query_params
    assert app.query_params["smooth"] == "0.5"


def test_invalid_settings_in_a_link_are_reported(open_compare: OpenCompare, train_run: TrainRun) -> None:
    words = all_texts(open_compare(runs=train_run(), smooth="7", curve="beauty", colour="red"))
    assert "smooth = " in words
    assert "colour" in words
    assert "None of these runs has the curve in the link." in words


@pytest.mark.slow
def test_latency_is_measured_once_per_architecture(
    open_compare: OpenCompare, train_run: TrainRun, shared: RunManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kd_core.nn.cost.MAX_SECONDS", 0.01)
    runs = [train_run(seed=str(seed)) for seed in range(2)]
    app = open_compare(runs=",".join(runs))
    button(app, "Measure latency here (2 networks)").click().run()  # a teacher's kind and a student's
    wait(lambda: not latency.get_latency_meter(shared.folder).waiting)
    app.run()
    (beside,) = [frame.value for frame in app.dataframe if "NLL, nats" in frame.value.columns]
    assert len(beside) == 6
    assert (beside["one example, p95, ms"] >= beside["one example, ms"]).all()
    assert (beside["64 examples, ms"] > 0).all()
    assert "latency" in open_compare(runs=runs[0], cost="latency").query_params["cost"]


def test_a_comparison_of_no_runs_stays_in_the_url(open_compare: OpenCompare, train_run: TrainRun) -> None:
    train_run()
    app = open_compare(runs="none")
    assert not app.header
    assert app.query_params["runs"] == "none"


def test_the_compared_runs_can_be_changed_in_the_box(open_compare: OpenCompare, train_run: TrainRun) -> None:
    first, second = train_run(), train_run(seed="1")
    app = open_compare(runs=first)
    box(app, "Compared, at most 8").set_value([first, second]).run()
    assert app.query_params["runs"] == f"{first},{second}"
    assert "**2 of 2** compared" in all_texts(app)


@pytest.mark.slow
def test_skipped_updates_and_metrics_from_python_are_shown_where_a_run_has_them(
    open_compare: OpenCompare, open_page: Open, train_run: TrainRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = train_run()
    monkeypatch.setattr(metrics, "_metrics", {})

    @kd.metric
    def layers(logits: Tensor, labels: Tensor) -> float:  # another column has this name
        return 0.25 * labels.ndim

    run = train_run(precision="float16", method="logit_mse", weight="100")
    rows = results_of(open_compare(runs=f"{plain},{run}"))
    assert {"layers (own)", "skipped updates"} <= set(rows.columns)
    (student,) = rows[rows["network"] == "B ● student"].to_dict("records")
    assert 0 < student["skipped updates"] <= 9
    assert student["layers (own)"] == 0.25
    assert rows["skipped updates"].isna().sum() == 3  # the other run
    assert not {"layers (own)", "skipped updates"} & set(results_of(open_compare(runs=plain)).columns)
    app = open_page("distill", run=run)
    assert f"{student['skipped updates']:.0f} of 9 updates of the phase “students”" in texts(app)
    assert app.dataframe[0].value["layers (own)"].tolist() == ["0.25"] * 3


def test_labels_at_line_ends_do_not_overlap() -> None:
    places = [0.5, 0.5, 0.51, 0.99, 1.0]
    shifts = charts.label_shifts(places, 300)
    heights = sorted(place * 300 + shift for place, shift in zip(places, shifts, strict=True))
    assert all(after - before >= charts.LINE - 1e-9 for before, after in itertools.pairwise(heights))
    assert max(heights) <= 300


@pytest.mark.slow
def test_a_thousand_runs_are_listed_about_as_fast_as_one(
    open_compare: OpenCompare, train_run: TrainRun, shared: RunManager
) -> None:
    def seconds() -> float:
        start = time.perf_counter()
        open_compare()
        return time.perf_counter() - start

    train_run()
    config = shared.store.runs(1)[0].config
    open_compare()  # loads the modules
    few = seconds()
    for number in range(1000):
        shared.store.add(f"{number:010x}", config, "completed")
    assert seconds() < few + 1


def test_a_finished_run_on_distill_links_here(open_page: Open, train_run: TrainRun) -> None:
    run = train_run()
    app = open_page("distill", run=run)
    links = [element.proto for element in app.get("page_link")]
    assert any(link.page.endswith("compare") and run in link.query_string for link in links)


def test_names_and_tags_are_columns_when_there_are_any_and_pinned_runs_come_first(
    open_compare: OpenCompare, train_run: TrainRun, shared: RunManager
) -> None:
    old, new = train_run(), train_run(seed="1")
    assert not {"name", "tags", "pinned"} & set(stored(open_compare()).columns)
    shared.annotation_store.write(old, normalize("Mine <b>", ["Paper", "mine"], is_pinned=True))
    app = open_compare(runs=f"{old},{new}")
    assert stored(app)["run"].tolist() == [old, new]
    assert stored(app).loc[0, ["name", "tags", "pinned"]].tolist() == ["Mine <b>", "Paper, mine", "yes"]
    (summary,) = [frame.value for frame in open_tables(app).dataframe if "curve" in frame.value.columns]
    assert summary["curve"].tolist() == ["● A student · Mine <b>", "● B student"]
    assert "A Mine &lt;b&gt;" in app.get("plotly_chart")[0].proto.spec
    tagged = open_compare(tag="paper", runs=old)
    assert stored(tagged)["run"].tolist() == [old]
    assert box(tagged, "Tag").value == "Paper"


def test_the_order_of_runs_is_in_the_url_and_can_be_reversed(open_compare: OpenCompare, train_run: TrainRun) -> None:
    ids = [train_run(seed=str(seed)) for seed in (5, 3, 9)]
    app = open_compare(order="seed", runs=ids[0], seeds=ids[0])
    assert stored(app)["seed"].tolist() == ["3", "5", "9"]
    box(app, "Reversed").check().run()
    assert app.query_params["reverse"] == "true"
    assert stored(app)["seed"].tolist() == ["9", "5", "3"]


def test_every_order_has_a_title_and_every_sortable_column_an_order() -> None:
    assert set(run_table.ORDER_TITLES) == set(ORDERS)
    assert set(run_table.COLUMN_ORDERS.values()) < set(ORDERS)


@pytest.mark.slow
def test_an_unfinished_run_is_redrawn_until_its_end(open_compare: OpenCompare, shared: RunManager) -> None:
    slow = shared.start(from_flat({**SMALL, "epochs": "40"}), pace=0.2)
    wait(lambda: shared.store.count(slow) > 20)
    app = open_compare(runs=slow)
    first = [frame.value for frame in open_tables(app).dataframe if "curve" in frame.value.columns]
    assert [toggle.label for toggle in app.toggle] == ["Follow live"]
    shared.set_pace(slow, 0)
    wait(lambda: shared.store.run(slow).state == "completed", 30)
    app.run()
    (last,) = [frame.value for frame in app.dataframe if "curve" in frame.value.columns]
    assert not first or last["at epochs"][0] > first[0]["at epochs"][0]
    assert last["at epochs"][0] == 40
    assert "Test results follow" not in all_texts(app)
    assert not app.toggle


def test_an_outdated_url_does_not_undo_the_last_choice(open_compare: OpenCompare, train_run: TrainRun) -> None:
    app = open_compare(runs=train_run(), curve="validation_loss")
    before = dict(app.query_params)
    box(app, "Curve").select_index(0).run()
    assert "curve" not in app.query_params
    app.query_params.clear()
    for name, value in before.items():
        app.query_params[name] = value
    app.run()
    assert box(app, "Curve").value == "accuracy"


def test_a_failed_run_has_no_gain_in_the_table(shared: RunManager, train_run: TrainRun) -> None:
    row = shared.store.run(train_run())
    assert run_rows.table_row(row, "")["gain"] is not None
    assert run_rows.table_row(replace(row, state="failed"), "")["gain"] is None


def train_changed(runs: RunManager, **changes: str) -> str:
    """Train a run whose temperature is changed by hand, and return its id."""
    run = runs.start(from_flat({**SMALL, "epochs": "60"}), pace=0.05)
    wait(lambda: any(event.phase == "students" for _, event in runs.store.iter_events(run, kinds=("step",))), 30)
    runs.adjust(run, **changes)
    wait(lambda: runs.store.was_adjusted(run), 30)
    assert wait_for_end(runs, run, 60) == "completed"
    return run


@pytest.mark.slow
def test_a_run_changed_by_hand_counts_in_no_verdict_and_its_changes_are_settings_that_differ(
    open_compare: OpenCompare, train_run: TrainRun, shared: RunManager
) -> None:
    plain = train_run(epochs="60")
    changed = train_changed(shared, temperature="6")
    app = open_compare(runs=f"{plain},{changed}")
    words = all_texts(app)
    assert "**A:**" in words  # not A, B: the family has one seed that counts
    assert "B (changed by hand) does not count" in words
    assert "Options of run B were changed by hand" in words
    (differing,) = [frame.value for frame in app.dataframe if "setting" in frame.value.columns]
    ((setting, a, b),) = differing[["setting", "A", "B"]].to_numpy().tolist()
    assert (setting, a) == ("Temperature T", "4")
    assert re.fullmatch(r"4 → 6 at step \d+, by hand", b)
    row = stored(app).iloc[0]
    assert (row["letter"], row["seed"], row["state"]) == ("A B", "1 seed", "1 of 2 count")


def test_a_run_that_failed_is_in_no_verdict(shared: RunManager, train_run: TrainRun) -> None:
    rows = {letter: shared.store.run(train_run(seed=seed)) for letter, seed in (("A", "0"), ("B", "1"))}
    rows = {row.id: replace(row, state="failed") if letter == "B" else row for letter, row in rows.items()}
    (group,) = comparison.seed_groups(shared.store, list(rows.values()))
    letters = run_table.letters_of(list(rows))
    only_first = replace(group, runs=group.runs[:1])
    assert seeds.group_name(only_first, rows, letters) == "A"


def test_the_page_opens_with_runs_on_the_newest_data_and_of_no_sweep(
    open_compare: OpenCompare, train_run: TrainRun, shared: RunManager
) -> None:
    circles = train_run(dataset="circles")
    moons, warm = train_run(), train_run(temperature="8")
    sweep = shared.start_sweep(Sweep(from_flat(SMALL), (Axis("alpha", ("0.3", "0.9")),), (0, 1)))
    assert wait_for_end(shared, sweep, 60) == "completed"
    app = open_compare()
    assert app.query_params["runs"] == f"{warm},{moons}"
    assert "different data" not in all_texts(app)
    assert stored(app)["run"].tolist() == [sweep, warm, moons, circles]


def test_the_seeds_of_a_run_are_one_row_that_opens_to_its_runs(open_compare: OpenCompare, train_run: TrainRun) -> None:
    ids = [train_run(seed=str(seed)) for seed in range(3)]
    train_run(temperature="8")
    app = open_compare(runs=ids[0])
    row = stored(app).iloc[1]
    assert (row["letter"], row["seed"]) == ("A", "3 seeds")
    opened = open_compare(runs=ids[0], seeds=ids[2])
    assert stored(opened)["run"].tolist() == ids[::-1]
    assert row["student %"] == pytest.approx(stored(opened)["student %"].mean())
    assert row["gain"] == pytest.approx(stored(opened)["gain"].mean(), abs=0.06)
