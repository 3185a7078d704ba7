"""Error analysis, compared with scikit-learn, scipy and numbers worked out by hand."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy.spatial.distance import jensenshannon
from sklearn.metrics import confusion_matrix, log_loss, recall_score

from kd_core.analysis import error_analysis
from kd_core.analysis.error_analysis import DIFFERENCE, GROUPS, ErrorAnalysis
from kd_core.analysis.replay import Replay
from kd_core.base.registry import plugins
from kd_core.config.run import RunConfig, read_flat
from kd_core.runs.manager import RunManager
from tools.testing.waiting import wait_for_end

ROLES = {"teacher": "teacher", "student": "student", "baseline": "baseline"}
N, K = 200, 5


@pytest.fixture
def analysis() -> ErrorAnalysis:
    generator = torch.Generator().manual_seed(1)
    labels = torch.randint(0, K, (N,), generator=generator)
    logits = {part: 2 * torch.randn(N, K, generator=generator) for part in ROLES}
    logits["student"][torch.arange(N), labels] += 2
    return ErrorAnalysis("test", tuple("abcde"), labels, logits, range(N), N, [""] * N)


@pytest.mark.parametrize("part", ROLES)
def test_the_confusion_matrix_and_the_recalls_are_those_of_scikit_learn(analysis: ErrorAnalysis, part: str) -> None:
    labels, predicted = analysis.labels.numpy(), analysis.logits[part].numpy().argmax(1)
    assert analysis.counts(part) == confusion_matrix(labels, predicted, labels=range(K)).tolist()
    assert np.allclose(analysis.fractions(part), confusion_matrix(labels, predicted, labels=range(K), normalize="true"))
    assert analysis.recalls(part) == pytest.approx(recall_score(labels, predicted, average=None))


def test_the_difference_is_student_minus_baseline_and_every_row_of_it_sums_to_zero(analysis: ErrorAnalysis) -> None:
    difference = np.array(analysis.counts(DIFFERENCE))
    assert (difference == np.array(analysis.counts("student")) - np.array(analysis.counts("baseline"))).all()
    assert difference.any()
    assert not difference.sum(1).any()


def test_a_class_without_examples_has_no_recall_instead_of_a_wrong_one() -> None:
    logits = {"student": torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])}
    analysis = ErrorAnalysis("test", ("a", "b", "c"), torch.tensor([0, 0]), logits, [0, 1], 2, ["", ""])
    assert analysis.recalls("student") == pytest.approx([0.5, np.nan, np.nan], nan_ok=True)


def test_fixed_minus_broken_examples_is_the_difference_of_the_accuracies(analysis: ErrorAnalysis) -> None:
    for reference, suffix in (("baseline", ""), ("teacher", "_teacher")):
        fixed, broke = analysis.examples(f"fixed{suffix}"), analysis.examples(f"broke{suffix}")
        assert (len(fixed) - len(broke)) / N == pytest.approx(
            analysis.accuracy("student") - analysis.accuracy(reference)
        )
        student, other = (analysis.logits[part].argmax(1) == analysis.labels for part in ("student", reference))
        assert all(student[index] and not other[index] for index in fixed)
        assert all(other[index] and not student[index] for index in broke)


@pytest.mark.slow
def test_the_hardest_examples_have_the_greatest_loss(analysis: ErrorAnalysis) -> None:
    probabilities = analysis.logits["student"].double().softmax(1).numpy()
    rows = zip(analysis.labels.numpy(), probabilities, strict=True)
    losses = [log_loss([label], [row], labels=range(K)) for label, row in rows]
    assert analysis.examples("hardest") == np.argsort(losses)[::-1][: error_analysis.HARD].tolist()


def test_all_wrong_has_the_examples_that_no_network_classifies_correctly(analysis: ErrorAnalysis) -> None:
    all_wrong = set(analysis.examples("all_wrong"))
    for index in range(N):
        label = int(analysis.labels[index])
        is_right = any(int(logits[index].argmax()) == label for logits in analysis.logits.values())
        assert (index in all_wrong) is not is_right


def test_disagreement_is_the_jensen_shannon_divergence(analysis: ErrorAnalysis) -> None:
    pair = [analysis.logits["student"], analysis.logits["teacher"]]
    p, q = (logits.double().softmax(1).numpy() for logits in pair)
    assert error_analysis.jensen_shannon(pair).numpy() == pytest.approx(jensenshannon(p, q, axis=1) ** 2)
    certain = torch.eye(3) * 1000
    assert error_analysis.jensen_shannon([certain[:1], certain[1:2], certain[2:]]).item() == pytest.approx(np.log(3))
    assert error_analysis.jensen_shannon([certain, certain]).tolist() == [0, 0, 0]


def test_a_cell_holds_as_many_examples_as_it_counts(analysis: ErrorAnalysis) -> None:
    for part in ROLES:
        for true, row in enumerate(analysis.counts(part)):
            assert [len(analysis.examples("cell", part, (true, predicted))) for predicted in range(K)] == row


def test_a_cell_of_the_difference_holds_what_either_student_or_baseline_predicts_so(analysis: ErrorAnalysis) -> None:
    student, baseline = (analysis.logits[part].argmax(1) == 2 for part in ("student", "baseline"))
    expected = ((student != baseline) & (analysis.labels == 1)).nonzero().flatten().tolist()
    assert sorted(analysis.examples("cell", DIFFERENCE, (1, 2))) == expected


def test_without_a_baseline_no_example_is_fixed(analysis: ErrorAnalysis) -> None:
    alone = ErrorAnalysis(
        "test", analysis.classes, analysis.labels, {"student": analysis.logits["student"]}, range(N), N, [""] * N
    )
    assert (
        alone.examples("fixed") == alone.examples("broke_teacher") == alone.examples("cell", DIFFERENCE, (0, 1)) == []
    )
    assert len(alone.examples("hardest")) == error_analysis.HARD


@pytest.mark.parametrize(("fixed", "broke"), [(31, 9), (9, 31), (5, 5), (0, 0), (1, 0), (400, 300)])
def test_the_p_value_is_that_of_the_two_sided_binomial_test(fixed: int, broke: int) -> None:
    count = fixed + broke
    tail = sum(math.comb(count, k) for k in range(min(fixed, broke) + 1)) / 2**count
    assert error_analysis.mcnemar_p_value(fixed, broke) == pytest.approx(min(1.0, 2 * tail))


@pytest.mark.parametrize("shape", [(50, 8), (12, 40)])
def test_the_projection_has_the_eigenvectors_of_the_covariance_with_a_fixed_sign(shape: tuple[int, int]) -> None:
    features = torch.randn(*shape, generator=torch.Generator().manual_seed(2)) * torch.linspace(3, 0.1, shape[1])
    places, ratio = error_analysis.pca(features)
    centred = features.double().numpy() - features.double().numpy().mean(0)
    variances, axes = np.linalg.eigh(centred.T @ centred)
    first_two = axes[:, [-1, -2]]
    largest = np.abs(first_two).argmax(0)
    assert places.numpy() == pytest.approx(centred @ (first_two * np.sign(first_two[largest, [0, 1]])), abs=1e-6)
    assert ratio == pytest.approx(variances[[-1, -2]] / variances.sum())
    mirrored, _ = error_analysis.pca(-features)  # another sign of the data, the same axes
    assert mirrored.numpy() == pytest.approx(-places.numpy(), abs=1e-6)


def test_embeddings_of_one_dimension_and_without_variance_are_projected_too() -> None:
    places, ratio = error_analysis.pca(torch.tensor([[1.0], [3.0]]))
    assert places.tolist() == [[-1, 0], [1, 0]]
    assert ratio == (1, 0)
    assert error_analysis.pca(torch.ones(4, 3))[1] == (0, 0)


def finished(runs: RunManager, config: RunConfig) -> Replay:
    run = runs.start(config)
    wait_for_end(runs, run, 60)
    return Replay(runs.store, runs.store.run(run))


def test_a_run_is_analysed_on_its_test_set_with_the_accuracies_of_its_end(runs: RunManager, small: RunConfig) -> None:
    replay = finished(runs, small)
    analysis = error_analysis.analyse(replay, replay.snapshot_at(-1), ROLES)
    assert analysis.split == "test"
    assert {part: analysis.accuracy(part) for part in ROLES} == {
        role: test["accuracy"] for role, test in replay.run.test.items()
    }
    assert all(set(analysis.examples(name)) <= set(range(len(analysis.labels))) for name in GROUPS)


@pytest.mark.slow
def test_the_embedding_is_the_input_of_the_last_layer(runs: RunManager, small: RunConfig) -> None:
    replay = finished(runs, small)
    projections = error_analysis.embeddings(replay, replay.snapshot_at(-1), ROLES)
    assert set(projections) == set(ROLES)
    for part, projection in projections.items():
        modules = replay.networks(replay.snapshot_at(-1))[part].modules()
        *_, last = (module for module in modules if isinstance(module, torch.nn.Linear))
        assert projection.width == last.in_features
        assert len(projection.places) == len(replay.data.test)


@pytest.mark.parametrize("scheme", ["merge", "missing_class", "own_teacher", "self_attention", "ensemble"])
@pytest.mark.slow
def test_networks_of_other_schemes_have_an_embedding_or_are_left_out(
    runs: RunManager, scheme: str, small_with: Callable[..., RunConfig]
) -> None:
    config, errors = read_flat({"dataset": "digits", "scheme": scheme, "epochs": "1", "teacher_epochs": "1"})
    assert not errors
    replay = finished(runs, config)
    networks = replay.networks(replay.snapshot_at(-1))
    projections = error_analysis.embeddings(replay, replay.snapshot_at(-1), {role: role for role in networks})
    assert projections
    assert "student" in projections or scheme == "merge"


def test_a_run_whose_student_never_began_is_refused(runs: RunManager, small: RunConfig) -> None:
    replay = finished(runs, small)
    with pytest.raises(ValueError, match="before its student began"):
        error_analysis.analyse(replay, replay.snapshot_at(-1), {"student": "nobody"})


def test_a_student_with_the_classifier_of_its_teacher_has_an_embedding_of_its_width(
    runs: RunManager, small_with: Callable[..., RunConfig]
) -> None:
    assert "reused_classifier" in plugins("methods")
    replay = finished(runs, small_with(method="reused_classifier", epochs="1"))
    projections = error_analysis.embeddings(replay, replay.snapshot_at(-1), ROLES)
    assert projections["student"].width == projections["teacher"].width  # the teacher's classifier reads both
