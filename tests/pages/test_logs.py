"""Log lines as text and as JSON."""

from __future__ import annotations

import io
import json
import logging
import sys

import pytest

from pages.ui.app.server import logs, metrics

FORGED = "run =x\n2026-11-30 10:00:00,000 INFO pages: login from 127.0.0.1: accepted\r\x1b[2K\u2028"


def written(formatter: logging.Formatter, message: str, *arguments: object, **extra: object) -> str:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(formatter)
    log = logging.Logger("kd_core.test")
    log.addHandler(handler)
    log.warning(message, *arguments, exc_info=sys.exc_info()[0] is not None, extra=extra)
    return stream.getvalue()


@pytest.mark.parametrize("formatter", [logs.TextFormatter(), logs.JsonFormatter()])
def test_a_name_cannot_forge_a_line(formatter: logging.Formatter) -> None:
    text = written(formatter, "run %s failed", FORGED, run=FORGED)
    assert len(text.splitlines()) == 1
    assert "\x1b" not in text


def test_the_message_of_an_exception_cannot_forge_a_line_either() -> None:
    try:
        raise ValueError(FORGED)
    except ValueError:
        text = written(logs.TextFormatter(), "failed")
        (line,) = written(logs.JsonFormatter(), "failed").splitlines()
    assert all(line.startswith("  ") for line in text.splitlines()[1:])
    assert json.loads(line)["traceback"].endswith(FORGED)


def test_json_has_the_fields_of_an_event() -> None:
    (line,) = written(logs.JsonFormatter(), "run %s is %s", "a", "queued", event="state", run="a", odd=object()).split(
        "\n"
    )[:1]
    body = json.loads(line)
    assert body["message"] == "run a is queued"
    assert (body["event"], body["run"], body["level"], body["logger"]) == ("state", "a", "warning", "kd_core.test")
    assert body["time"].endswith("Z")


@pytest.mark.parametrize(
    ("setting", "address"),
    [("9464", ("127.0.0.1", 9464)), ("0.0.0.0:9464", ("0.0.0.0", 9464)), ("[::1]:80", ("::1", 80))],
)
def test_metrics_are_served_on_this_machine_unless_an_address_is_named(setting: str, address: tuple[str, int]) -> None:
    assert metrics.address(setting) == address


@pytest.mark.parametrize("setting", ["on", "0", "70000", "localhost", "localhost:", "-1", "٣"])
def test_an_address_that_is_none_is_refused_in_a_sentence(setting: str) -> None:
    with pytest.raises(ValueError, match="write a port such as 9464"):
        metrics.address(setting)


def test_labels_are_escaped_in_metrics() -> None:
    metrics.count("distillery_pages_total", page='a"b\\c\nd')
    assert 'distillery_pages_total{page="a\\"b\\\\c\\nd"} 1' in metrics.text().splitlines()
