"""Networks of timm by name."""

import pytest
import torch

from kd_core.config.run import read_flat
from kd_core.models import timm as family
from kd_core.models.timm import TimmModel
from kd_core.nn.hooks import attention_shapes, feature_shapes, record_features

SMALL = (3, 32, 32)


def test_without_the_package_the_way_to_install_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    family._refusal.cache_clear()
    monkeypatch.setattr(family.importlib.util, "find_spec", lambda _: None)
    errors = read_flat({"dataset": "digits", "teacher": "timm"})[1]
    assert errors == [
        'teacher = timm: a timm network needs timm, which is not installed here: pip install "distillery-lab[timm]".'
    ]
    family._refusal.cache_clear()


@pytest.mark.slow
def test_a_name_that_timm_lacks_is_answered_with_similar_ones() -> None:
    pytest.importorskip("timm")
    assert "vit_tiny_patch16_224" in TimmModel(network="vit_tiny_patch16_244").unsupported_reason(SMALL)
    assert TimmModel(network="vit_tiny_patch16_224").unsupported_reason(SMALL) == ""


@pytest.mark.slow
@pytest.mark.parametrize("name", ["resnet10t", "vit_tiny_patch16_224", "convnext_atto"])
def test_the_features_are_those_of_timm_with_the_same_weights(name: str) -> None:
    timm = pytest.importorskip("timm")
    model, inputs = TimmModel(network=name), torch.randn(2, *SMALL, generator=torch.Generator().manual_seed(0))
    torch.manual_seed(0)
    network = model.build(SMALL, 7).eval()
    torch.manual_seed(0)
    settings = {"img_size": SMALL[1:]} if name.startswith("vit") else {}
    original = timm.create_model(name, num_classes=0, in_chans=3, **settings).eval()
    with torch.no_grad(), record_features(network, model.feature_layers()) as recorded:
        logits = network(inputs)
        torch.testing.assert_close(recorded["embedding"], original(inputs), rtol=1e-4, atol=1e-5)
    assert logits.shape == (2, 7)
    shapes = feature_shapes(model, SMALL, 7)
    assert {layer: tuple(features.shape[1:]) for layer, features in recorded.items()} == {
        layer: shape for layer, shape in shapes.items() if layer != "logits"
    }
    assert len(model.stages(shapes)) >= 2


@pytest.mark.slow
def test_a_transformer_of_timm_has_attention_maps_that_sum_to_one() -> None:
    pytest.importorskip("timm")
    model = TimmModel(network="vit_tiny_patch16_224")
    network = model.build(SMALL, 7).eval()
    with torch.no_grad(), record_features(network, model.attention_layers()) as recorded:
        network(torch.randn(2, *SMALL))
    assert attention_shapes(model, SMALL, 7) == {f"stage {number}": (3, 5, 5) for number in (1, 2, 3, 4)}
    for maps in recorded.values():
        torch.testing.assert_close(maps.sum(-1), torch.ones(2, 3, 5))


@pytest.mark.slow
def test_weights_that_cannot_be_downloaded_are_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    timm = pytest.importorskip("timm")

    def fails(*_: object, **__: object) -> None:
        raise OSError("no network")

    monkeypatch.setattr(timm, "create_model", fails)
    with pytest.raises(ValueError, match=r"could not be downloaded \(no network\): connect this machine once"):
        TimmModel(pretrained=True).build(SMALL, 7)
