"""Where networks agree and where not: against scikit-learn, scipy and numbers worked out by hand."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy.spatial.distance import jensenshannon
from scipy.stats import binomtest
from sklearn.decomposition import PCA
from sklearn.metrics import confusion_matrix, log_loss, recall_score

from kd_core.analysis import error_analysis
from kd_core.analysis.error_analysis import DIFFERENCE, GROUPS, ErrorAnalysis
from kd_core.analysis.replay import Replay
from kd_core.base.registry import plugins
from kd_core.config.run import RunConfig, read_flat
from kd_core.runs.manager import RunManager
from tools.testing.waiting import wait_for_end

CAST = {"teacher": "teacher", "student": "student", "baseline": "baseline"}
N, K = 200, 5


@pytest.fixture
def seen() -> ErrorAnalysis:
    drawn = torch.Generator().manual_seed(1)
    labels = torch.randint(0, K, (N,), generator=drawn)
    logits = {part: 2 * torch.randn(N, K, generator=drawn) for part in CAST}
    logits["student"][torch.arange(N), labels] += 2
    return ErrorAnalysis("test", tuple("abcde"), labels, logits, range(N), N)


@pytest.mark.parametrize("part", CAST)
def test_the_confusion_matrix_and_the_recalls_are_those_of_scikit_learn(seen: ErrorAnalysis, part: str) -> None:
    labels, answers = seen.labels.numpy(), seen.logits[part].numpy().argmax(1)
    assert seen.counts(part) == confusion_matrix(labels, answers, labels=range(K)).tolist()
    assert np.allclose(seen.shares(part), confusion_matrix(labels, answers, labels=range(K), normalize="true"))
    assert seen.recalls(part) == pytest.approx(recall_score(labels, answers, average=None))


def test_the_difference_is_student_minus_baseline_and_every_row_of_it_sums_to_zero(seen: ErrorAnalysis) -> None:
    difference = np.array(seen.counts(DIFFERENCE))
    assert (difference == np.array(seen.counts("student")) - np.array(seen.counts("baseline"))).all()
    assert difference.any()
    assert not difference.sum(1).any()


def test_a_class_without_examples_has_no_recall_instead_of_a_wrong_one() -> None:
    logits = {"student": torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])}
    seen = ErrorAnalysis("test", ("a", "b", "c"), torch.tensor([0, 0]), logits, [0, 1], 2)
    assert seen.recalls("student") == pytest.approx([0.5, np.nan, np.nan], nan_ok=True)


def test_what_was_fixed_minus_what_was_broken_is_the_difference_of_the_right_answers(seen: ErrorAnalysis) -> None:
    for reference, end in (("baseline", ""), ("teacher", "_teacher")):
        fixed, broke = seen.examples(f"fixed{end}"), seen.examples(f"broke{end}")
        assert (len(fixed) - len(broke)) / N == pytest.approx(seen.accuracy("student") - seen.accuracy(reference))
        student, other = (seen.logits[part].argmax(1) == seen.labels for part in ("student", reference))
        assert all(student[at] and not other[at] for at in fixed)
        assert all(other[at] and not student[at] for at in broke)


def test_the_hardest_examples_have_the_greatest_loss(seen: ErrorAnalysis) -> None:
    shares = seen.logits["student"].double().softmax(1).numpy()
    own = [log_loss([label], [row], labels=range(K)) for label, row in zip(seen.labels.numpy(), shares, strict=True)]
    assert seen.examples("hardest") == np.argsort(own)[::-1][: error_analysis.HARD].tolist()


def test_where_all_are_wrong_nobody_is_right(seen: ErrorAnalysis) -> None:
    found = set(seen.examples("all_wrong"))
    for at in range(N):
        right = any(int(own[at].argmax()) == int(seen.labels[at]) for own in seen.logits.values())
        assert (at in found) is not right


def test_dispute_is_the_jensen_shannon_divergence(seen: ErrorAnalysis) -> None:
    pair = [seen.logits["student"], seen.logits["teacher"]]
    p, q = (own.double().softmax(1).numpy() for own in pair)
    assert error_analysis.jensen_shannon(pair).numpy() == pytest.approx(jensenshannon(p, q, axis=1) ** 2)
    sure = torch.eye(3) * 1000
    assert error_analysis.jensen_shannon([sure[:1], sure[1:2], sure[2:]]).item() == pytest.approx(np.log(3))
    assert error_analysis.jensen_shannon([sure, sure]).tolist() == [0, 0, 0]


def test_a_cell_holds_as_many_examples_as_it_counts(seen: ErrorAnalysis) -> None:
    for part in CAST:
        for true, row in enumerate(seen.counts(part)):
            assert [len(seen.examples("cell", part, (true, answered))) for answered in range(K)] == row


def test_a_cell_of_the_difference_holds_what_one_alone_of_student_and_baseline_answers_so(seen: ErrorAnalysis) -> None:
    student, baseline = (seen.logits[part].argmax(1) == 2 for part in ("student", "baseline"))
    expected = ((student != baseline) & (seen.labels == 1)).nonzero().flatten().tolist()
    assert sorted(seen.examples("cell", DIFFERENCE, (1, 2))) == expected


def test_without_a_baseline_there_is_nothing_that_was_fixed(seen: ErrorAnalysis) -> None:
    alone = ErrorAnalysis("test", seen.classes, seen.labels, {"student": seen.logits["student"]}, range(N), N)
    assert (
        alone.examples("fixed") == alone.examples("broke_teacher") == alone.examples("cell", DIFFERENCE, (0, 1)) == []
    )
    assert len(alone.examples("hardest")) == error_analysis.HARD


@pytest.mark.parametrize(("fixed", "broke"), [(31, 9), (9, 31), (5, 5), (0, 0), (1, 0), (400, 300)])
def test_luck_is_the_two_sided_binomial_test(fixed: int, broke: int) -> None:
    expected = binomtest(fixed, fixed + broke).pvalue if fixed + broke else 1.0
    assert error_analysis.mcnemar_p_value(fixed, broke) == pytest.approx(expected)


@pytest.mark.parametrize("shape", [(50, 8), (12, 40)])
def test_the_projection_is_that_of_scikit_learn_with_a_sign_of_its_own(shape: tuple[int, int]) -> None:
    features = torch.randn(*shape, generator=torch.Generator().manual_seed(2)) * torch.linspace(3, 0.1, shape[1])
    places, kept = error_analysis.pca(features)
    oracle = PCA(2, svd_solver="full").fit(features.double().numpy())
    expected = oracle.transform(features.double().numpy())
    assert np.abs(places.numpy()) == pytest.approx(np.abs(expected), abs=1e-6)
    assert kept == pytest.approx(oracle.explained_variance_ratio_)
    mirrored, _ = error_analysis.pca(-features)  # another sign of the data, the same axes
    assert mirrored.numpy() == pytest.approx(-places.numpy(), abs=1e-6)


def test_embeddings_of_one_number_and_of_no_variance_are_drawn_too() -> None:
    places, kept = error_analysis.pca(torch.tensor([[1.0], [3.0]]))
    assert places.tolist() == [[-1, 0], [1, 0]]
    assert kept == (1, 0)
    assert error_analysis.pca(torch.ones(4, 3))[1] == (0, 0)


def finished(runs: RunManager, config: RunConfig) -> Replay:
    run = runs.start(config)
    wait_for_end(runs, run, 60)
    return Replay(runs.store, runs.store.run(run))


def test_a_run_is_inspected_on_its_test_split_with_the_accuracies_of_its_verdict(
    runs: RunManager, small: RunConfig
) -> None:
    recall = finished(runs, small)
    seen = error_analysis.analyse(recall, recall.snapshot_at(-1), CAST)
    assert seen.split == "test"
    assert {part: seen.accuracy(part) for part in CAST} == {
        role: test["accuracy"] for role, test in recall.run.test.items()
    }
    assert all(set(seen.examples(name)) <= set(range(len(seen.labels))) for name in GROUPS)


def test_the_last_layer_turns_the_embedding_into_the_logits(runs: RunManager, small: RunConfig) -> None:
    recall = finished(runs, small)
    found = error_analysis.embeddings(recall, recall.snapshot_at(-1), CAST)
    assert set(found) == set(CAST)
    for part, projection in found.items():
        last = [
            one for one in recall.networks(recall.snapshot_at(-1))[part].modules() if isinstance(one, torch.nn.Linear)
        ][-1]
        assert projection.width == last.in_features
        assert len(projection.places) == len(recall.data.test)


@pytest.mark.parametrize("scheme", ["merge", "missing_class", "own_teacher", "self_attention", "ensemble"])
def test_the_networks_of_other_schemes_show_their_embedding_or_are_left_out(
    runs: RunManager, scheme: str, small_with: Callable[..., RunConfig]
) -> None:
    config, errors = read_flat({"dataset": "digits", "scheme": scheme, "epochs": "1", "teacher_epochs": "1"})
    assert not errors
    recall = finished(runs, config)
    networks = recall.networks(recall.snapshot_at(-1))
    found = error_analysis.embeddings(recall, recall.snapshot_at(-1), {role: role for role in networks})
    assert found
    assert "student" in found or scheme == "merge"


def test_a_run_whose_student_never_began_is_answered_with_a_sentence(runs: RunManager, small: RunConfig) -> None:
    recall = finished(runs, small)
    with pytest.raises(ValueError, match="before its student began"):
        error_analysis.analyse(recall, recall.snapshot_at(-1), {"student": "nobody"})


def test_every_method_shows_the_embedding_of_what_it_trains(
    runs: RunManager, small_with: Callable[..., RunConfig]
) -> None:
    assert "reused_classifier" in plugins("methods")
    recall = finished(runs, small_with(method="reused_classifier", epochs="1"))
    found = error_analysis.embeddings(recall, recall.snapshot_at(-1), CAST)
    assert found["student"].width == found["teacher"].width  # the teacher's classifier reads both
