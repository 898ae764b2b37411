"""Backbones with weights from a file or a server; nothing here reaches further than this machine."""

import functools
import http.server
import threading

import numpy as np
import pytest

from edgelab.data import load_mnist
from edgelab.train.judging.evaluation import predict
from edgelab.train.networks.imagenet import BACKBONES, imagenet_backbone, to_backbone_input
from edgelab.train.transfer import fine_tune, probe

FILE = "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_96_no_top.h5"  # what Keras Applications asks a server for


@pytest.fixture(scope="module")
def digits():
    return load_mnist().x_train[:4]


def scaled(images):
    """Return images as every network of the course takes them: four axes, float32 in [0, 1]."""
    return images[..., None] / np.float32(255)


@pytest.fixture(scope="module")
def network():
    """A MobileNetV2 as Keras builds it, its weights unlike fresh ones and large enough for images to get through."""
    import keras

    keras.utils.set_random_seed(5)
    model = keras.applications.MobileNetV2(input_shape=(96, 96, 3), include_top=False, weights=None)
    model.set_weights([w + 0.05 if w.ndim == 1 else 3 * w for w in model.get_weights()])
    return model


@pytest.fixture(scope="module")
def folder(tmp_path_factory, network):
    """Its weights as files: as Keras writes them today, and in the older format that is published."""
    path = tmp_path_factory.mktemp("weights")
    network.save_weights(path / "own.weights.h5")
    network.save(path / FILE)
    return path


@pytest.fixture(scope="module")
def features(network, digits):
    """What the features must be, by Pillow and plain Keras: enlarged, three times the same, -1 to 1, averaged."""
    from PIL import Image

    large = [Image.fromarray(x.astype(np.float32)).resize((96, 96), Image.Resampling.BILINEAR) for x in digits]
    x = np.repeat(np.stack(large)[..., None], 3, axis=-1) / 127.5 - 1
    return network(x, training=False).numpy().mean(axis=(1, 2))


@pytest.fixture
def keras_home(tmp_path, monkeypatch):
    """An empty cache, and a server that is given by its address: nothing is fetched from the real one."""
    from keras.src.applications import mobilenet_v2
    from keras.src.backend import config

    monkeypatch.setattr(config, "keras_home", lambda: str(tmp_path))

    def use(address):
        monkeypatch.setattr(mobilenet_v2, "BASE_WEIGHT_PATH", address)
        return tmp_path / "models"

    return use


def test_weights_from_a_file_give_the_features_of_plain_keras(folder, digits, features):
    backbone = imagenet_backbone("MobileNetV2", 96, weights=folder / "own.weights.h5")
    assert backbone.input_shape == (None, 28, 28, 1)
    found = backbone(scaled(digits), training=False).numpy()
    # 53 layers in float32, and Pillow's and TensorFlow's interpolation differ by 1e-6 of a grey level.
    np.testing.assert_allclose(found, features, atol=1e-3 * np.abs(features).max())
    assert features.std(axis=0).max() > 0.01 * np.abs(features).max(), "all images have the same features"


def test_weights_from_a_server_are_fetched_once(folder, digits, features, keras_home, capsys):
    """On this machine's own address: the way a reader with network takes, without one."""
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        cache = keras_home(f"http://127.0.0.1:{server.server_port}/")
        first = imagenet_backbone()(scaled(digits), training=False).numpy()
        server.shutdown()
    assert (cache / FILE).stat().st_size == (folder / FILE).stat().st_size
    np.testing.assert_allclose(first, features, atol=1e-3 * np.abs(features).max())
    again = imagenet_backbone()(scaled(digits), training=False).numpy()  # the server is gone
    np.testing.assert_array_equal(first, again)


def test_without_network_the_error_says_what_to_do(keras_home):
    cache = keras_home("http://127.0.0.1:9/")  # nothing listens on the port named discard
    with pytest.raises(OSError, match=r"MobileNetV2 were not fetched.*127\.0\.0\.1:9(?s:.*)path of a file as weights"):
        imagenet_backbone()
    assert not (cache / FILE).exists(), "half a download is left behind"


def test_a_download_that_was_cut_off_is_named(folder, keras_home):
    cache = keras_home("http://127.0.0.1:9/")
    cache.mkdir()
    (cache / FILE).write_bytes((folder / FILE).read_bytes()[:5000])
    with pytest.raises(OSError, match=r"cut off, delete its file in ~/.keras/models"):
        imagenet_backbone()


def test_no_network_is_touched_unless_asked_for(monkeypatch, folder):
    """The default of Keras itself is to download."""
    import urllib.request

    def refuse(*arguments, **options):
        raise AssertionError("the network is touched")

    monkeypatch.setattr(urllib.request, "urlopen", refuse)
    monkeypatch.setattr("keras.src.utils.file_utils.urlretrieve", refuse)
    assert imagenet_backbone(weights=None, image=(40, 30, 3)).input_shape == (None, 40, 30, 3)
    with pytest.raises(OSError, match="the network is touched"):
        imagenet_backbone()


@pytest.mark.parametrize("name", ["absent.weights.h5", "empty.weights.h5", "other.weights.h5", "own.txt"])
def test_files_that_are_not_its_weights_are_named(tmp_path, name):
    import keras

    if name == "other.weights.h5":
        keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)]).save_weights(tmp_path / name)
    elif name != "absent.weights.h5":
        (tmp_path / name).write_bytes(b"")
    error = FileNotFoundError if name.startswith("absent") else ValueError
    with pytest.raises(error, match=rf"{name}: n.*MobileNetV2"):
        imagenet_backbone(weights=tmp_path / name)


@pytest.mark.parametrize("name", sorted(BACKBONES))
def test_input_is_enlarged_in_three_channels_and_scaled_as_the_backbone_wants(name, digits):
    """Values from 0 to 1 where a backbone wants 0 to 255 look black to it, without an error."""
    import keras

    x = to_backbone_input(scaled(digits), size=112, name=name).numpy()
    assert x.shape == (4, 112, 112, 3)
    assert (x[..., 0] == x[..., 2]).all()
    same_size = to_backbone_input(scaled(digits), size=28, name=name).numpy()
    module = getattr(keras.applications, BACKBONES[name])
    theirs = module.preprocess_input(np.repeat(digits[..., None], 3, axis=-1).astype(np.float32))
    np.testing.assert_allclose(same_size, theirs, atol=2e-5)  # 255 * (v / 255) is v to 2e-5 in float32
    np.testing.assert_allclose(x.mean(), theirs.mean(), rtol=0.02)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (
            lambda: imagenet_backbone("ResNet999", weights=None),
            "unknown backbone 'ResNet999'; expected one of: MobileNetV2",
        ),
        (lambda: imagenet_backbone(size=100, weights=None), "size is 100; expected 96, 128"),
        (lambda: to_backbone_input(np.zeros((28, 28, 1))), r"shape \(28, 28, 1\); expected \(n, h, w, 1\)"),
        (lambda: to_backbone_input(np.zeros((2, 28, 28, 4))), r"shape \(2, 28, 28, 4\)"),
    ],
)
def test_names_sizes_and_shapes_that_do_not_exist_are_refused(call, says):
    with pytest.raises(ValueError, match=says):
        call()


@pytest.mark.slow
def test_a_head_on_such_a_backbone_is_trained_saved_and_tuned(tmp_path, digits, folder):
    """All of the way that the reader goes, and what is saved needs neither this package nor the network."""
    import keras

    x, y = digits, np.array([0, 1, 2, 0])
    model = probe(imagenet_backbone(weights=folder / "own.weights.h5"), x, y)
    before = predict(model, x)
    model.save(tmp_path / "model.keras")
    np.testing.assert_allclose(
        predict(keras.models.load_model(tmp_path / "model.keras"), x), before, rtol=1e-4, atol=1e-4
    )
    fine_tune(model, x, y, steps=2, learning_rate=1e-5)
    assert np.isfinite(predict(model, x)).all()


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(set(BACKBONES) - {"MobileNetV2"}))
def test_the_others_are_built(name, digits):
    features = predict(imagenet_backbone(name, weights=None), digits)
    assert np.isfinite(features).all()
