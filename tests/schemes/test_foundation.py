"""Features that are learned without labels, and the linear probe that judges them."""

import pytest
import torch
from torch.nn import functional as F

from kd_core.base.events import Finished, Prepared, Step
from kd_core.config.run import from_flat, read_flat
from kd_core.nn.hooks import EMBEDDING, last_linear, record_features
from kd_core.training.loop import PhaseCache, Trainer

FLAT = {"dataset": "digits", "scheme": "foundation", "labelled": "40", "epochs": "3", "probe_epochs": "5",
        "teacher_epochs": "2", "student": "cnn", "student_width": "4"}  # fmt: skip
CACHE: PhaseCache = {}


def train(**flat: str) -> Trainer:
    training = Trainer(from_flat({**FLAT, **flat}), cache=CACHE)
    for event in training:
        if isinstance(event, Finished):
            assert event.outcome == "completed"
    return training


def test_no_label_changes_the_features() -> None:
    weights = [train(**changes).networks["student"].state_dict() for changes in ({}, {"wrong": "0.9"})]
    last = set(list(weights[0])[-2:])
    for name, value in weights[0].items():
        assert torch.equal(value, weights[1][name]) == (name not in last), name


@pytest.mark.parametrize("normalisation", ["group", "batch"])
def test_the_probe_moves_the_last_layer_alone(normalisation: str) -> None:
    training, before = Trainer(from_flat({**FLAT, "student_normalisation": normalisation}), cache=CACHE), {}
    for event in training:
        if isinstance(event, Step) and event.phase == "probe" and not before:
            before = {
                trainer.role: {name: value.clone() for name, value in trainer.network.state_dict().items()}
                for trainer in training._phase_trainer.trainers
            }
    for role, moves in (("student", 2), ("random features", 2), ("baseline", len(before["baseline"]))):
        after = training.networks[role].state_dict()
        moved = [name for name, value in after.items() if not torch.equal(value, before[role][name])]
        assert len(moved) == moves or (role == "baseline" and len(moved) > 2), (role, moved)


@pytest.mark.slow
def test_the_probe_learns_what_logistic_regression_on_the_features_does() -> None:
    training = train(probe_epochs="150", learning_rate="0.03")
    model, network, data = training.config.student, training.networks["student"], training.data
    rows, labels = training.config.view.sample(data)
    paths = {EMBEDDING: model.feature_layers()[EMBEDDING]}
    with record_features(network, paths) as recorded, torch.no_grad():
        network(data.train.inputs[rows])
        features = recorded[EMBEDDING].clone()
        network(data.test.inputs)
        test_features = recorded[EMBEDDING].clone()
    layer = last_linear(network)
    assert layer is not None
    ours = F.cross_entropy(layer(features), labels).item()
    assert ours < 0.05  # of 40 examples in many dimensions, which can be separated
    linear_model = pytest.importorskip("sklearn.linear_model")
    reference = linear_model.LogisticRegression(C=1e3, max_iter=2000).fit(features.numpy(), labels.numpy())
    accuracy = reference.score(test_features.numpy(), data.test.labels.numpy())
    with torch.no_grad():
        correct = (layer(test_features).argmax(1) == data.test.labels).double().mean().item()
    assert correct == pytest.approx(accuracy, abs=0.06)


def test_every_network_takes_as_many_updates() -> None:
    training = Trainer(from_flat(FLAT), cache=CACHE)
    steps = [event for event in training if isinstance(event, Step) and event.phase != "teacher"]
    for role in ("student", "baseline"):
        assert sum(role in event.loss for event in steps) == len(steps)
    assert len({event.phase for event in steps}) == 2


def test_the_phases_say_what_they_are_trained_on() -> None:
    (prepared,) = (event for event in Trainer(from_flat(FLAT), cache=CACHE) if isinstance(event, Prepared))
    examples = {(network.role, network.saw) for network in prepared.networks}
    labelled = "40 labelled images, no label noise"
    assert examples >= {
        ("student", "1,000 images without labels"),
        ("baseline", labelled),
        ("random features", f"{labelled}, the last layer alone"),
    }


@pytest.mark.parametrize(
    ("flat", "reason"),
    [
        ({"method": "soft_targets"}, "Choose a loss that compares features or relations"),
        ({"method": "reused_classifier"}, "Choose a loss that compares features or relations"),
        ({"labelled": "0"}, "labelled = 0: every example has a label"),
    ],
)
def test_what_needs_labels_or_leaves_none_away_is_refused(flat: dict[str, str], reason: str) -> None:
    errors = read_flat({**FLAT, **flat})[1]
    assert any(reason in error for error in errors), errors


def test_the_whole_student_can_be_fine_tuned_instead() -> None:
    flat = {**FLAT, "probe": "false"}
    training = train(**{name: flat[name] for name in ("probe",)})
    probed = train()
    first, second = (one.networks["student"].state_dict() for one in (training, probed))
    name = next(iter(first))
    assert not torch.equal(first[name], second[name])
