"""Tests of what stored networks write and of the sentence about it."""

from __future__ import annotations

import base64
import math
import re
from collections.abc import Iterator

import pytest
import torch
from scipy import stats

from kd_core.analysis.examples import thumbnails
from kd_core.analysis.replay import Replay, open_replay
from kd_core.analysis.writing.continuation import continue_text, next_character_logits
from kd_core.analysis.writing.coverage import differences, in_one_line, measures_of, ways
from kd_core.base.options import options_of
from kd_core.config import presets
from kd_core.config.comparison import Comparison
from kd_core.config.run import from_flat
from kd_core.datasets import load
from kd_core.methods.divergence import Divergence
from kd_core.runs.manager import RunManager
from kd_core.store.records import COMPLETED, family_of
from kd_core.tasks.language import Language
from tools.testing.waiting import wait_for_end

pytestmark = pytest.mark.slow

TINY = {
    "dataset": "python_docs", "teacher_hidden": "16", "teacher_epochs": "1", "student_hidden": "4", "epochs": "2",
    "teacher_batch_size": "512", "batch_size": "512",
}  # fmt: skip


@pytest.fixture(scope="module")
def replay(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Replay]:
    runs = RunManager(tmp_path_factory.mktemp("data"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("kd_core.tasks.language.SAMPLES", 8)  # texts that each network is judged by
        run = runs.start(from_flat(TINY))
        assert wait_for_end(runs, run, 120) == COMPLETED
    row = runs.store.run(run)
    assert row is not None
    yield open_replay(runs.store, row)
    runs.close()


def test_at_a_low_temperature_every_character_is_nearly_always_the_likeliest(replay: Replay) -> None:
    snapshot = replay.snapshot_at(-1)
    written = continue_text(replay, snapshot, "the file", ["teacher", "student"], "teacher")
    assert list(written["texts"]) == ["teacher", "student"]
    at_a_place = dict(zip(written["temperatures"], written["texts"]["student"], strict=True))
    classes = replay.data.classes
    likeliest = {
        temperature: sum(
            classes[int(torch.tensor(next_character_logits(replay, snapshot, f"the file{text[:place]}")["student"])
                        .argmax())] == text[place].replace(" ", "␣")
            for place in range(12)
        )
        for temperature, text in at_a_place.items() if temperature in (0.3, 2.0)
    }  # fmt: skip
    assert likeliest[0.3] > likeliest[2.0]


def test_the_surprise_is_the_teachers_own_negative_log_probability(replay: Replay) -> None:
    snapshot = replay.snapshot_at(-1)
    written = continue_text(replay, snapshot, "a", ["teacher", "student"], "teacher")
    text, bits = written["texts"]["student"][4], written["surprise"]["student"][4]
    for place in (0, 1, 30):
        logits = next_character_logits(replay, snapshot, f"a{text[:place]}")["teacher"]
        p = torch.tensor(logits, dtype=torch.float64).softmax(0)
        expected = -math.log2(p[replay.data.classes.index(text[place].replace(" ", "␣"))])
        assert bits[place] == pytest.approx(expected, abs=0.006)


def test_the_same_beginning_is_continued_in_the_same_way(replay: Replay) -> None:
    snapshot = replay.snapshot_at(-1)
    first, second = (continue_text(replay, snapshot, "class", ["student"], "teacher") for _ in range(2))
    assert first == second


@pytest.mark.parametrize(("beginning", "sentence"), [("", "at least one character"), ("Übung", "Ü: the networks know")])
def test_a_beginning_that_cannot_be_continued_is_refused(replay: Replay, beginning: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        continue_text(replay, replay.snapshot_at(-1), beginning, ["student"], "teacher")
    with pytest.raises(ValueError, match=sentence):
        next_character_logits(replay, replay.snapshot_at(-1), beginning)


def test_every_way_has_the_networks_and_updates_of_the_run_and_a_key_in_the_store() -> None:
    config = from_flat(TINY | {"divergence": "skewed-reverse", "seed": "3"})
    configs = ways(config)
    kinds = {way.method.values()["divergence"] for way in configs.values()}
    assert kinds == set(options_of(Divergence)["divergence"].choices)
    assert {"On-policy, reverse KL", "Sequence level"} <= configs.keys()
    for way in configs.values():
        assert (way.teacher, way.student, way.recipe, way.seed) == (
            config.teacher, config.student, config.recipe, config.seed,
        )  # fmt: skip
        flat = way.flat()
        del flat["seed"]
        assert presets.family(flat) == family_of(way)
    for kind, title in (("forward", "forward KL"), ("jensen-shannon", "Jensen–Shannon"), ("reverse", "reverse KL")):
        assert configs[f"On-policy, {title}"].method.values()["divergence"] == kind


def test_a_scheme_that_these_settings_do_not_allow_is_no_way() -> None:
    assert "On-policy, reverse KL" not in ways(from_flat(TINY | {"epochs": "1"}))


def test_measures_are_means_and_deviations_over_seeds() -> None:
    tests = [{"student": {"real_words": value}} for value in (0.1, 0.2, 0.6)]
    measures = measures_of("Forward KL", "student", tests, ["real_words", "perplexity"])
    assert measures is not None
    assert measures.seeds == 3
    assert measures.means == {"real_words": pytest.approx(0.3)}
    assert measures.spreads == {"real_words": pytest.approx(0.07**0.5)}
    assert measures_of("Forward KL", "baseline", tests, ["real_words"]) is None


def test_differences_of_ways_are_paired_by_seed_with_the_interval_of_student() -> None:
    bits = {0: (2.9, 3.12), 1: (2.85, 3.1), 2: (2.99, 3.08)}
    tests = {
        "On-policy, reverse KL": {seed: {"student": {"teacher_bits": ours}} for seed, (ours, _) in bits.items()},
        "Reverse KL": {seed: {"student": {"teacher_bits": bits[seed][1]}} for seed in (2, 0, 1)},
        "Forward KL": {0: {"student": {"bits_per_character": 2.7}, "baseline": {"bits_per_character": 2.72}}},
    }
    pairs = [ours - theirs for ours, theirs in bits.values()]
    low, high = stats.ttest_1samp(pairs, 0).confidence_interval(0.95)
    (sentence,) = differences(tests, Language.measures)  # of one seed there is no interval
    assert sentence.replace("\u00a0", " ").replace("−", "-") == (
        "On-policy, reverse KL beside reverse KL, Teacher’s bits on its texts: "
        f"{sum(pairs) / 3:+.2f} bits ({low:+.2f} to {high:+.2f}, 3 seeds)."
    )


def runs_with(*pairs: tuple[tuple[float, float], tuple[float, float]]) -> list[dict[str, dict[str, float]]]:
    """Test metrics of runs whose student and baseline have these fractions of real and of distinct words."""
    return [
        {role: {"real_words": real, "distinct_words": distinct} for role, (real, distinct) in
         zip(("student", "baseline"), pair, strict=True)}
        for pair in pairs
    ]  # fmt: skip


ENDS = {1: 0.6, 0: 0.505, -1: 0.4}


@pytest.mark.parametrize("real", [1, 0, -1])
@pytest.mark.parametrize("distinct", [1, 0, -1])
def test_one_line_says_how_the_student_writes(real: int, distinct: int) -> None:
    sentence = in_one_line(runs_with(((ENDS[real], ENDS[distinct]), (0.5, 0.5))), Comparison())
    often = {1: "more often than", 0: "about as often as", -1: "less often than"}[real]
    many = {1: "more different ones", 0: "about as many different ones", -1: "fewer different ones"}[distinct]
    joint = "but" if {real, distinct} == {1, -1} else "and"
    numbers = [f"{100 * ENDS[end]:.1f} % instead of 50.0 %" for end in (real, distinct)]
    assert sentence == (
        f"The distilled student writes real words {often} the baseline ({numbers[0]}), {joint} {many} ({numbers[1]})."
    )


def test_over_several_seeds_a_difference_counts_if_its_interval_excludes_zero() -> None:
    steady = runs_with(*[((0.52 + shift, 0.4), (0.5 + shift, 0.4)) for shift in (0.0, 0.1, 0.2)])
    assert "more often" in in_one_line(steady, Comparison())
    noisy = runs_with(((0.7, 0.4), (0.5, 0.4)), ((0.4, 0.4), (0.5, 0.4)), ((0.52, 0.4), (0.5, 0.4)))
    assert "about as often" in in_one_line(noisy, Comparison())


def test_without_a_control_or_without_words_there_is_no_line() -> None:
    assert in_one_line([], Comparison()) == ""
    assert in_one_line([{"student": {"real_words": 0.5, "distinct_words": 0.5}}], Comparison()) == ""
    assert in_one_line([{"student": {"accuracy": 0.5}, "baseline": {"accuracy": 0.5}}], Comparison()) == ""


def test_a_position_of_a_text_is_drawn_with_the_characters_before_it() -> None:
    dataset = from_flat(TINY).dataset
    data = load(dataset)
    passage = data.validation.inputs[0].long().tolist()
    alphabet = [name.replace("␣", " ") for name in data.classes]
    first, second = thumbnails.of_validation(dataset, [0, 1])  # the first 16 characters of a passage have no label
    assert first.label == passage[17]
    assert first.text == "".join(alphabet[number] for number in passage[12:17])
    assert second.label == passage[18]
    picture = base64.b64decode(str(first.src).partition(",")[2]).decode()
    lines = [text.replace("\u00a0", " ") for text in re.findall(">([^<]*)</tspan>", picture)]
    assert "".join(lines) == "".join(alphabet[number] for number in passage[1:17]) + "▁"
