"""Published benchmarks on the Experiments page, without runs and with runs."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from kd_core.base import marks
from kd_core.config import presets
from kd_core.config.presets import Preset, Publication, PublishedNumber
from kd_core.config.run import from_flat
from kd_core.runs.manager import RunManager
from pages.ui.experiments import published
from tools.testing.waiting import wait_for_end

Open = Callable[..., AppTest]

SOURCE = Publication("A paper", "Somebody", 2001, "table 1", "Two moons.")
QUICK = Preset(
    "quick",
    "Two moons",
    "",
    "A teacher helps.",
    SOURCE,
    {"dataset": "moons", "labelled": "30", "epochs": "2", "teacher_epochs": "1"},
    (PublishedNumber("Teacher", "99 %", "teacher"), PublishedNumber("Their other network", "50 %", "")),
    ("Nothing differs.",),
    (
        presets.Variant("warm", "Warm", {"temperature": "4"}, (PublishedNumber("Warm", "90 %"),)),
        presets.Variant("hot", "Hot", {"temperature": "8"}, (PublishedNumber("Hot", "91 %"),)),
    ),
)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> Iterator[Preset]:
    monkeypatch.setattr(presets, "sources", lambda: ((SOURCE, (QUICK,)),))
    published._family.cache_clear()
    yield QUICK
    published._family.cache_clear()


def rows(app: AppTest) -> dict[str, list[str]]:
    """Return the rows of all tables of the page by their first cell."""
    tables = "\n".join(text.value for text in app.markdown).replace(marks.SPACE, " ")
    lines = [line for line in tables.splitlines() if line.startswith("| ")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return {first: rest for first, *rest in cells}


def test_every_experiment_is_in_the_table_of_its_paper(open_page: Open) -> None:
    app = open_page("experiments")
    headings = [heading.value for heading in app.subheader]
    tables = [frame.value for frame in app.dataframe]
    for (source, members), frame in zip(presets.sources(), tables, strict=True):
        assert source.title in headings
        assert list(frame["experiment"]) == [preset.title for preset in members]
        assert list(frame["published"]) == [preset.short for preset in members]
    assert not app.error


@pytest.mark.parametrize("preset", presets.all_presets(), ids=lambda preset: preset.name)
def test_an_opened_experiment_shows_its_numbers_and_links_to_distill(open_page: Open, preset: Preset) -> None:
    app = open_page("experiments", preset=preset.name)
    tables = "\n".join(text.value for text in app.markdown).replace(marks.SPACE, " ")
    links = [element.proto for element in app.get("page_link")]
    variants = preset.variants or (preset.variant(),)
    assert len(links) == len(variants)
    for variant, link in zip(variants, links, strict=True):
        for number in presets.published(preset, variant.name):
            assert f"| {number.value} | {presets.NOT_RUN if number.role else 'no such network here'} |" in tables
        assert link.page == "distill"
        assert all(f"{name}=" in link.query_string for name in presets.config(preset, variant.name))


def test_a_search_leaves_the_papers_with_matching_experiments(open_page: Open) -> None:
    app = open_page("experiments", paper="mobilenet reversed")
    (frame,) = [frame.value for frame in app.dataframe]
    assert all("MobileNet" in title for title in frame["experiment"])
    app.text_input[1].set_value("no such words").run()
    assert [info.value for info in app.info] == ["No published benchmark has all of these words."]


def test_a_missing_data_set_is_named_with_its_download_size(
    open_page: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DISTILLERY_DATA", str(tmp_path / "empty"))
    texts = [text.value for text in open_page("experiments", preset="resnet56_resnet20").markdown]
    assert any(text.startswith("**Needs** CIFAR-100, 169 MB") and "cifar100`" in text for text in texts)
    texts = [text.value for text in open_page("experiments", preset="flowers").markdown]
    (flowers,) = [text for text in texts if text.startswith("**Needs** Flowers-102")]
    assert "345 MB" in flowers
    assert "ImageNet" in flowers


def test_runs_with_exactly_these_settings_are_averaged_and_others_are_not(
    open_page: Open, shared: RunManager, quick: Preset
) -> None:
    flat = presets.config(quick, "hot")
    runs = [shared.start(from_flat(flat | {"seed": seed})) for seed in ("0", "1", "2")]
    other = shared.start(from_flat(flat | {"alpha": "0.5"}))
    for run in (*runs, other):
        assert wait_for_end(shared, run, 60) == "completed"
    accuracies = [100 * shared.store.run(run).test["student"]["accuracy"] for run in runs]
    mean = sum(accuracies) / 3
    spread = (sum((accuracy - mean) ** 2 for accuracy in accuracies) / 2) ** 0.5
    cells = rows(open_page("experiments", preset=quick.name))
    assert cells["Hot"] == ["91 %", f"**{mean:.2f} ± {spread:.2f} %**, 3 seeds"]
    assert cells["Warm"] == ["90 %", "not run here"]
    assert cells["Teacher"][1].endswith("3 seeds")
    assert cells["Their other network"] == ["50 %", "no such network here"]


def test_a_choice_opens_an_experiment_and_is_in_the_link(open_page: Open) -> None:
    app = open_page("experiments")
    box = next(box for box in app.selectbox if "Hinton" in box.label)
    box.select("mnist_missing_digit").run()
    assert app.query_params["preset"] == "mnist_missing_digit"
    assert any("**Needs** MNIST" in text.value for text in app.markdown)
    next(box for box in app.selectbox if "Yuan" in box.label).select_index(0).run()
    assert len([text for text in app.markdown if text.value.startswith("**Needs**")]) == 1


def test_a_link_to_an_unknown_experiment_shows_an_error_and_all_experiments(open_page: Open) -> None:
    app = open_page("experiments", preset="<b>odd</b>")
    (error,) = app.error
    assert "There is no experiment called" in error.value
    assert len(app.dataframe) == len(presets.sources())
