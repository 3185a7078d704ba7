"""The Compare page without a browser."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable

import pytest
from streamlit.testing.v1 import AppTest

from kd_core.analysis import latency
from kd_core.config.run import from_flat
from kd_core.runs.manager import RunManager
from kd_core.store.annotations import normalize
from kd_core.store.queries import ORDERS
from pages.ui.compare import run_table
from pages.ui.widgets import charts, tables
from tests.pages.test_distill import Open, button, run_to_end, texts
from tools.testing.waiting import wait

SMALL = {"dataset": "moons", "epochs": "3", "teacher_epochs": "1", "labelled": "40"}
Ended = Callable[..., str]
Look = Callable[..., AppTest]


@pytest.fixture
def look(open_page: Open) -> Look:
    return lambda **link: open_page("compare", autoplay="0", **link)


@pytest.fixture
def ended(shared: RunManager) -> Ended:
    return lambda **changes: run_to_end(shared, **{**SMALL, **changes})


def said(app: AppTest) -> str:
    more = "\n".join(each.value for each in (*app.warning, *app.info, *app.subheader))
    return f"{texts(app)}\n{more}".replace("\\", "")


def stored(app: AppTest):
    return app.dataframe[0].value


def box(app: AppTest, label: str):
    return next(found for kind in (app.selectbox, app.checkbox, app.slider, app.text_input, app.multiselect)
                for found in kind if found.label == label)  # fmt: skip


def test_without_runs_one_sentence_and_the_way_to_the_lab(look: Look) -> None:
    app = look()
    assert "There is no run yet." in said(app)
    assert not app.dataframe


def test_the_newest_six_are_compared_and_the_address_names_them(look: Look, ended: Ended) -> None:
    ids = [ended(seed=str(seed)) for seed in range(7)]
    app = look()
    assert "**6 of 7** compared" in said(app)
    assert app.query_params["runs"].split(",") == ids[:0:-1]
    assert stored(app)[""].tolist() == [*"ABCDEF", ""]
    ended(seed="8")  # the same link tomorrow
    again = look(runs=app.query_params["runs"])
    assert again.query_params["runs"] == app.query_params["runs"]


def test_search_and_filters_stand_in_the_address_and_choose_the_rows(look: Look, ended: Ended) -> None:
    first, second = ended(), ended(method="hard_labels", seed="3")
    app = look()
    box(app, "Search").set_value("hard labels").run()
    assert app.query_params["find"] == "hard labels"
    assert stored(app)["run"].tolist() == [second]
    linked = look(method="soft_targets", runs=first)
    assert stored(linked)["run"].tolist() == [first]
    nothing = look(find="elephant", runs=first)
    assert "No run fits." in said(nothing)


def test_only_settings_that_differ_are_listed(look: Look, ended: Ended) -> None:
    runs = [ended(temperature="2"), ended(temperature="8")]
    app = look(runs=",".join(runs))
    (differing,) = [frame.value for frame in app.dataframe if "setting" in frame.value.columns]
    assert differing.to_dict("records") == [{"setting": "Temperature T", "A": "2", "B": "8"}]


def test_runs_that_are_gone_unfinished_or_on_other_data_are_said(look: Look, ended: Ended, shared: RunManager) -> None:
    done, other = ended(), ended(dataset="circles")
    slow = shared.start(from_flat({**SMALL, "epochs": "400"}), pace=0.5)
    wait(lambda: shared.store.run(slow).state == "training")
    app = look(runs=f"{done},0123456789,{slow},{other}")
    words = said(app)
    assert "There is no run called “0123456789” here." in words
    assert "Run B is training: its curves end where it is now" in words
    assert "These runs learned from different data (Two moons, " in words
    shared.stop(slow)


def test_the_verdict_counts_all_seeds_of_a_group_and_knows_luck(look: Look, ended: Ended) -> None:
    runs = [ended(seed=str(seed)) for seed in range(3)]
    words = said(look(runs=runs[0]))
    assert "over 3 seeds" in words
    assert "A and 2 more seeds" in words
    alone = said(look(runs=ended(temperature="7")))
    assert "One seed cannot tell skill from luck." in alone


def test_every_choice_of_the_curves_stands_in_the_address(look: Look, ended: Ended) -> None:
    runs = [ended(seed=str(seed)) for seed in range(2)]
    link = {"runs": ",".join(runs), "curve": "training_loss", "x": "step", "smooth": "0.5", "log_y": "true",
            "together": "true", "networks": "student,baseline"}  # fmt: skip
    app = look(**link)
    assert box(app, "Curve").value == "training_loss"
    assert box(app, "Log values").value is True
    assert box(app, "Smoothing").value == 0.5
    (summary,) = [frame.value for frame in app.dataframe if "curve" in frame.value.columns]
    assert summary["curve"].tolist() == ["● A, B student", "○ A, B baseline"]
    box(app, "Log values").uncheck().run()
    assert "log_y" not in app.query_params
    assert app.query_params["smooth"] == "0.5"


def test_a_link_that_asks_for_nonsense_is_answered(look: Look, ended: Ended) -> None:
    words = said(look(runs=ended(), smooth="7", curve="beauty", colour="red"))
    assert "smooth = " in words
    assert "There is no setting called colour." in words
    assert "None of these runs has the curve that the link asks for." in words


def test_latency_is_measured_once_for_networks_of_the_same_kind(
    look: Look, ended: Ended, shared: RunManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kd_core.nn.cost.MAX_SECONDS", 0.01)
    runs = [ended(seed=str(seed)) for seed in range(2)]
    app = look(runs=",".join(runs))
    button(app, "Measure latency here (2 networks)").click().run()  # a teacher's kind and a student's
    wait(lambda: not latency.get_latency_meter(shared.folder).waiting)
    app.run()
    (beside,) = [frame.value for frame in app.dataframe if "NLL, nats" in frame.value.columns]
    assert len(beside) == 6
    assert (beside["one example, p95, ms"] >= beside["one example, ms"]).all()
    assert (beside["64 examples, ms"] > 0).all()
    assert "latency" in look(runs=runs[0], cost="latency").query_params["cost"]


def test_nothing_ticked_is_a_view_of_its_own(look: Look, ended: Ended) -> None:
    ended()
    app = look(runs="none")
    assert "Nothing is compared." in said(app)
    assert app.query_params["runs"] == "none"


def test_the_compared_runs_are_changed_by_the_box_too(look: Look, ended: Ended) -> None:
    first, second = ended(), ended(seed="1")
    app = look(runs=first)
    box(app, "Compared, 8 at most").set_value([first, second]).run()
    assert app.query_params["runs"] == f"{first},{second}"
    assert "**2 of 2** compared" in said(app)


def test_labels_at_line_ends_do_not_cover_each_other() -> None:
    places = [0.5, 0.5, 0.51, 0.99, 1.0]
    moved = charts.label_shifts(places, 300)
    heights = sorted(place * 300 + by for place, by in zip(places, moved, strict=True))
    assert all(after - before >= charts.LINE - 1e-9 for before, after in itertools.pairwise(heights))
    assert max(heights) <= 300


def test_a_csv_has_every_row_and_is_read_back() -> None:
    rows = [{"run": "A", "α": 0.5}, {"run": "B, C", "α": None}]
    lines = tables.as_csv(rows).decode("utf-8-sig").splitlines()
    assert lines == ["run,α", "A,0.5", '"B, C",']


def test_a_thousand_runs_are_listed_about_as_soon_as_ten(look: Look, ended: Ended, shared: RunManager) -> None:
    def seconds() -> float:
        begun = time.perf_counter()
        look()
        return time.perf_counter() - begun

    ended()
    config = shared.store.runs(1)[0].config
    look()  # what is loaded once
    few = seconds()
    for number in range(1000):
        shared.store.add(f"{number:010x}", config, "completed")
    assert seconds() < few + 1


def test_the_finished_run_in_the_lab_leads_here(open_page: Open, ended: Ended) -> None:
    run = ended()
    app = open_page("distill", run=run, autoplay="0")
    links = [element.proto for element in app.get("page_link")]
    assert any(link.page.endswith("compare") and run in link.query_string for link in links)


def test_names_and_tags_are_columns_once_somebody_gave_any_and_pinned_runs_come_first(
    look: Look, ended: Ended, shared: RunManager
) -> None:
    old, new = ended(), ended(seed="1")
    assert not {"name", "tags", "pinned"} & set(stored(look()).columns)
    shared.annotation_store.write(old, normalize("Mine <b>", ["Paper", "mine"], is_pinned=True))
    app = look(runs=f"{old},{new}")
    assert stored(app)["run"].tolist() == [old, new]
    assert stored(app).loc[0, ["name", "tags", "pinned"]].tolist() == ["Mine <b>", "Paper, mine", "yes"]
    (summary,) = [frame.value for frame in app.dataframe if "curve" in frame.value.columns]
    assert summary["curve"].tolist() == ["● A student · Mine <b>", "● B student"]
    assert "A Mine &lt;b&gt;" in app.get("plotly_chart")[0].proto.spec
    tagged = look(tag="paper", runs=old)
    assert stored(tagged)["run"].tolist() == [old]
    assert box(tagged, "Tag").value == "Paper"


def test_the_order_of_all_runs_stands_in_the_address_and_can_be_turned(look: Look, ended: Ended) -> None:
    ids = [ended(seed=str(seed)) for seed in (5, 3, 9)]
    app = look(order="seed", runs=ids[0])
    assert stored(app)["seed"].tolist() == [3, 5, 9]
    box(app, "Reversed").check().run()
    assert app.query_params["reverse"] == "true"
    assert stored(app)["seed"].tolist() == [9, 5, 3]


def test_every_column_that_orders_is_a_column_and_every_order_has_a_name() -> None:
    assert set(run_table.ORDER_TITLES) == set(ORDERS)
    assert set(run_table.COLUMNS.values()) < set(ORDERS)


def test_an_unfinished_run_is_followed_until_its_end(look: Look, shared: RunManager) -> None:
    slow = shared.start(from_flat({**SMALL, "epochs": "40"}), pace=0.05)
    wait(lambda: shared.store.count(slow) > 20)
    app = look(runs=slow)
    first = [frame.value for frame in app.dataframe if "curve" in frame.value.columns]
    assert [toggle.label for toggle in app.toggle] == ["Follow live"]
    wait(lambda: shared.store.run(slow).state == "completed", 30)
    app.run()
    (last,) = [frame.value for frame in app.dataframe if "curve" in frame.value.columns]
    assert not first or last["at epochs"][0] > first[0]["at epochs"][0]
    assert last["at epochs"][0] == 40
    assert "Test results follow" not in said(app)
    assert not app.toggle


def test_a_browser_that_has_not_heard_of_the_last_choice_does_not_take_it_back(look: Look, ended: Ended) -> None:
    app = look(runs=ended(), curve="validation_loss")
    before = dict(app.query_params)
    box(app, "Curve").select_index(0).run()
    assert "curve" not in app.query_params
    app.query_params.clear()
    for name, value in before.items():
        app.query_params[name] = value
    app.run()
    assert box(app, "Curve").value == "accuracy"
