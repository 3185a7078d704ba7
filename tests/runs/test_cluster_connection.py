"""Connection to a cluster by address, and what is sent to its nodes; the clusters here are stand-ins."""

from __future__ import annotations

import importlib.util
import os
import pickle
import re
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import grpc
import pytest
import torch

from kd_core.config.run import from_flat
from kd_core.files.content_store import ContentStore
from kd_core.runs.cluster import connection, local_cluster, node
from kd_core.runs.cluster.connection import Cluster, check_address
from kd_core.runs.cluster.executor import ClusterGoneError
from kd_core.runs.cluster.files import files_of, place_files
from kd_core.runs.cluster.part import DATA, Part, Report


@contextmanager
def ray_client_server(secret: str) -> Iterator[tuple[str, int]]:
    """Answer pings like Ray's client server, with a token if there is a ``secret``."""

    def ping(_: bytes, context: grpc.ServicerContext) -> bytes:
        if secret and dict(context.invocation_metadata()).get("authorization") != f"Bearer {secret}":
            context.abort(grpc.StatusCode.UNAUTHENTICATED, "no")
        return b""

    _, _, name = connection.PING.rpartition("/")
    service = connection.PING.split("/")[1]
    server = grpc.server(ThreadPoolExecutor(1))
    handler = grpc.method_handlers_generic_handler(service, {name: grpc.unary_unary_rpc_method_handler(ping)})
    server.add_generic_rpc_handlers((handler,))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield "127.0.0.1", port
    server.stop(None).wait()


@pytest.fixture(autouse=True)
def no_settings_of_ray(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    "address", ["", "cluster", "ray://", "ray://host", "ray://host:0", "http://host:1", "ray://:1"]
)
def test_an_address_is_refused_with_what_to_write(address: str) -> None:
    with pytest.raises(ValueError, match="local-cluster, or ray://HOST:PORT"):
        check_address(address)


def test_an_address_names_a_host_and_a_port() -> None:
    assert check_address("local-cluster") is None
    assert check_address("ray://lab.example.org:10001") == ("lab.example.org", 10001)
    assert check_address("ray://[::1]:10001") == ("::1", 10001)


def test_where_nothing_listens_the_cluster_is_refused_with_the_command_that_starts_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(connection, "check_installed", lambda: None)
    cluster = Cluster(f"ray://127.0.0.1:{local_cluster.free_port()}")
    with pytest.raises(ClusterGoneError, match=r"Nothing listens at 127.0.0.1:.*ray start --head"):
        cluster.executor()
    assert cluster.title() == f"cluster: {cluster.problem}"
    assert not cluster.is_reachable()


def test_a_cluster_that_was_refused_is_reachable_once_it_can_be_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "check_installed", lambda: None)
    reasons = iter(["no token", "no token", ""])

    def connect(cluster: Cluster) -> SimpleNamespace:
        if reason := next(reasons):
            raise ClusterGoneError(reason)
        return SimpleNamespace(is_gone=False)

    monkeypatch.setattr(Cluster, "_connect", connect)
    with socket.create_server(("127.0.0.1", 0)) as server:
        cluster = Cluster(f"ray://127.0.0.1:{server.getsockname()[1]}")
        assert cluster.is_reachable()  # as far as is known without an attempt
        with pytest.raises(ClusterGoneError, match="no token"):
            cluster.executor()
        assert not cluster.is_reachable()
        assert cluster.is_reachable()
        assert cluster.problem == ""


def test_without_ray_the_message_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(ClusterGoneError, match=r"pip install .distillery-lab\[cluster\]"):
        Cluster("local-cluster").executor()


def test_a_cluster_that_asks_for_no_token_is_refused_unless_that_is_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    with ray_client_server("") as place:
        with pytest.raises(ClusterGoneError, match="asks for no token, so whoever reaches it can run programs there"):
            connection._check_authentication(place, "ray://lab:1")
        monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
        connection._check_authentication(place, "ray://lab:1")


def test_a_token_is_sent_and_a_wrong_one_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with ray_client_server("right") as place:
        with pytest.raises(ClusterGoneError, match="asks for a token, and there is none here: put its token into"):
            connection._check_authentication(place, "ray://lab:1")
        (tmp_path / "token").write_text("wrong", encoding="utf-8")
        monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(tmp_path / "token"))
        with pytest.raises(ClusterGoneError, match="does not take the token of this machine"):
            connection._check_authentication(place, "ray://lab:1")
        (tmp_path / "token").write_text("right\n", encoding="utf-8")
        connection._check_authentication(place, "ray://lab:1")


def test_another_server_is_not_taken_for_a_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "CONNECT_SECONDS", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as server, pytest.raises(ClusterGoneError, match="is not Ray's client"):
        connection._check_authentication(server.getsockname(), "ray://lab:1")


def test_another_version_is_refused_with_both(monkeypatch: pytest.MonkeyPatch) -> None:
    facts = {**node.describe(), "node": "b"}
    with pytest.raises(ClusterGoneError, match=f"node b .* torch 2.0.0, .* has {re.escape(torch.__version__)}"):
        connection._compare("ray://lab:1", [facts, {**facts, "torch": "2.0.0"}])
    with pytest.raises(ClusterGoneError, match=r"node b .* cannot train: No module named 'torch'"):
        connection._compare("ray://lab:1", [{**facts, "error": "No module named 'torch'"}])

    def init(*_: object, **__: object) -> None:
        raise RuntimeError(
            "Changed\nVersion mismatch: The cluster was started with:\n    Ray: 2.52.0\n    Python: 3.13.1"
        )

    fake = SimpleNamespace(init=init, __version__="2.60.0")
    with pytest.raises(ClusterGoneError, match=r"another version of Ray or Python .* Ray 2.60.0 and Python 3"):
        connection._initialise(fake, ("lab", 1), "ray://lab:1", {})


def test_a_server_of_ray_that_does_not_begin_is_asked_for_again() -> None:
    failures = iter([connection.NOT_STARTED] * 2)

    def init(*_: object, **__: object) -> None:
        if (reason := next(failures, "")) != "":
            raise ConnectionAbortedError(f"Initialization failure from server:\nRuntimeError: {reason}.")

    fake = SimpleNamespace(init=init, shutdown=lambda: None, __version__="2.60.0")
    connection._initialise(fake, ("lab", 1), "ray://lab:1", {})
    failures = iter([connection.NOT_STARTED] * connection.ATTEMPTS)
    with pytest.raises(ClusterGoneError, match="cannot be used: RuntimeError: Starting Ray client server failed"):
        connection._initialise(fake, ("lab", 1), "ray://lab:1", {})


def test_other_processors_are_a_notice() -> None:
    facts = node.describe()
    assert connection._compare("ray://lab:1", [facts]) == ""
    assert "last digits" in connection._compare("ray://lab:1", [facts, {**facts, "processor": "aarch64 SVE256"}])


def test_an_upload_is_sent_by_its_content(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key = ContentStore("uploads").put({"inputs": torch.zeros(3)}, {"kind": "points"}, "mine.csv")
    config = from_flat({"dataset": "moons"})
    named = SimpleNamespace(to_json=lambda: config.to_json().replace('"moons"', f'"{key}"'))
    files = files_of([named, named])
    assert list(files) == [f"uploads/{key}.safetensors"]
    monkeypatch.setenv("DISTILLERY_DATA", str(tmp_path / "node"))
    place_files(files)
    assert torch.equal(ContentStore("uploads").tensors(key)["inputs"], torch.zeros(3))
    assert files_of([config]) == {}
    for name in ("distillery.sqlite", "uploads/../../x", "runs/a.safetensors"):
        with pytest.raises(ValueError, match="no file that is sent"):
            place_files({name: b""})


def test_plug_in_folders_are_sent_and_found_on_the_node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine" / "methods").mkdir(parents=True)
    (tmp_path / "mine" / "methods" / "cosine.py").write_text("", encoding="utf-8")
    monkeypatch.setenv("DISTILLERY_PLUGINS", str(tmp_path / "mine"))
    (tmp_path / "sent").mkdir()
    modules = [Path(name) for name in connection._code(tmp_path / "sent")["py_modules"]]
    assert [path.name for path in modules] == ["kd_core", node.SENT]
    assert (modules[0] / "runs" / "cluster" / "node.py").is_file()
    monkeypatch.syspath_prepend(tmp_path / "sent")
    node.adopt_plugins()
    assert Path(os.environ["DISTILLERY_PLUGINS"], "methods", "cosine.py").is_file()


def test_what_a_node_needs_before_torch_is_imported_is_small() -> None:
    """The processes of Ray between driver and worker import this module."""
    spec = importlib.util.find_spec("kd_core.runs.cluster.node")
    assert spec is not None
    assert not hasattr(node, "torch")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DISTILLERY_DATA", str(tmp_path / "home"))
    return tmp_path / "home"


class Elsewhere:
    """Data set that is on no node."""

    def is_available(self) -> bool:
        return False

    def download(self, _: Callable[[str, int, int], None]) -> None:
        raise ValueError("the host does not answer.")


def test_a_node_that_lacks_data_and_cannot_download_them_says_so(home: Path) -> None:
    part = Part([SimpleNamespace(dataset=Elsewhere())], is_sweep=False)
    report: Report = pickle.loads(node.NodeWorker("cpu").begin(pickle.dumps(part), pickle.dumps({})))
    assert report.problem == DATA
    assert report.reason.startswith("The node ")
    assert "lacks data: the host does not answer." in report.reason
