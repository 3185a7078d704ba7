"""Report of a run as one HTML file, which opens without a network and without this program."""

from __future__ import annotations

import json
import math
import platform
import time
from collections.abc import Mapping, Sequence
from html import escape
from importlib.resources import files
from typing import Any

from kd_core import __version__
from kd_core.analysis import comparison
from kd_core.analysis.examples import thumbnails
from kd_core.analysis.learning_curves import ACCURACY, EPOCH, TRAINING, read_curves
from kd_core.analysis.verdict import FAILED
from kd_core.base.events import Network, Pinned, Prepared, Probed
from kd_core.base.marks import EXTRA_COLOURS, ROLES, percent, unbroken
from kd_core.config.run import RunConfig
from kd_core.export.network.stored import changes_by_hand
from kd_core.export.report.charts import Line, line_chart
from kd_core.files.teachers.provenance import provenance
from kd_core.schemes import teacher_phase
from kd_core.store.queries import RunQueries
from kd_core.store.records import ACTIVE, INTERRUPTED, PRUNED, STOPPED
from kd_core.store.store import Run, Store

DEFAULT_TEMPERATURE = 4.0
LOWEST, HIGHEST = -2, 6  # powers of two of the temperature
# Nothing may be loaded from anywhere, and no address be opened by a script.
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'"
STATES = {
    **dict.fromkeys(ACTIVE, ("Unfinished", "This run is not finished: the numbers are those of the time of writing.")),
    STOPPED: ("Stopped", "This run was stopped before its end, so it was trained for less than its settings say."),
    INTERRUPTED: ("Interrupted", "This run was interrupted and has not been resumed."),
    PRUNED: ("Pruned", "This run was ended early, since other trials of its search were better."),
    "failed": ("Failed", "This run failed before its end; its numbers say nothing about the method."),
}


def report(store: Store, row: Run) -> str:
    """Return the report of a run as HTML.

    Raises ValueError if the run needs something that this installation does not have.
    """
    config, queries = row.config, RunQueries(store)
    prepared = queries.prepared(row.id)
    networks = [(network, index) for index, network in enumerate(prepared.networks if prepared else [])]
    state, note = STATES.get(row.state, ("", ""))
    name = row.annotations.name or f"{config.dataset.title}, {config.method.title}, seed {config.seed}"
    title = f"{state}: {name}" if state else name
    sections = [
        f"<h1>{escape(title)}</h1>",
        f'<p class="banner">{escape(note)}</p>' if note else "",
        f'<p class="muted">{escape(_description(row, config))}</p>',
        f"<p>{escape(row.annotations.note)}</p>" if row.annotations.note else "",
        f'<p class="verdict">{escape(unbroken(_verdict(store, row)))}</p>',
        _results(row, networks),
        _bars(store, row, config, prepared, networks),
        _curves(queries, row, networks),
        _settings(store, row, config),
        _provenance(row, config, prepared),
    ]
    return page(title, sections, _colours(networks))


def page(title: str, sections: Sequence[str], style: str) -> str:
    """Return a whole page of HTML that loads nothing; ``title`` is plain text, ``sections`` are HTML."""
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)} · Distillery</title><style>{_asset('report.css')}{style}</style></head>"
        f"<body><main>{''.join(sections)}</main></body></html>\n"
    )


def _asset(name: str) -> str:
    return (files(__name__) / name).read_text(encoding="utf-8")


def _kind(network: Network) -> str:
    return network.kind if network.kind in ROLES else network.role if network.role in ROLES else "student"


def _title(network: Network) -> str:
    return ROLES[network.role]["name"] if network.role in ROLES else network.role[:1].upper() + network.role[1:]


def _colours(networks: Sequence[tuple[Network, int]]) -> str:
    """Return the style of the colour of every network in both themes."""
    rules: dict[str, str] = {"light": "", "dark": ""}
    for network, index in networks:
        for theme, colours in EXTRA_COLOURS.items():
            colour = ROLES[network.role][theme] if network.role in ROLES else colours[index % len(colours)]
            rules[theme] += f".network-{index} {{ --colour: {colour} }}"
    return f"{rules['light']}@media (prefers-color-scheme: dark) {{ {rules['dark']} }}"


def _description(row: Run, config: RunConfig) -> str:
    started = time.strftime("%d %b %Y, %H:%M", time.localtime(row.created))
    return (
        f"{config.dataset.title} · teacher {config.teacher.label()} · student {config.student.label()} · "
        f"{config.method.title} · {config.scheme.title} · seed {config.seed} · {row.state} · {started} · run {row.id}"
    )


def _verdict(store: Store, row: Run) -> str:
    """Return the verdict over all seeds that count, or of this run alone where it does not count among them."""
    if row.state == "failed":
        return FAILED.sentence
    result, _ = comparison.family_verdict(store, row)
    return "There is no verdict before the end of the run." if result is None else result.sentence


def table(header: Sequence[str], rows: Sequence[Sequence[str]], numbers_from: int, label: str) -> str:
    """Return a table of plain texts as HTML that scrolls on a narrow screen; numbers are aligned to the right."""

    def cells(tag: str, texts: Sequence[str]) -> str:
        return "".join(
            f"<{tag}{' class=number' if place >= numbers_from else ''}>{escape(text)}</{tag}>"
            for place, text in enumerate(texts)
        )

    body = "".join(f"<tr>{cells('td', row)}</tr>" for row in rows)
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{escape(label)}"><table><thead><tr>'
        f"{cells('th', header)}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _results(row: Run, networks: Sequence[tuple[Network, int]]) -> str:
    tests = row.test or {}
    rows = [
        [
            f"{ROLES[_kind(network)]['glyph']} {_title(network)}", network.model, percent(test["accuracy"]),
            _percent(test, "agreement"), f"{test['loss']:.3f}", _percent(test, "calibration_error"),
            f"{network.parameters:,}", f"{network.flops / 1000:,.1f}",
            f"{network.size / 1000:,.1f}",
        ]
        for network, _ in networks if (test := tests.get(network.role))
    ]  # fmt: skip
    if not rows:
        return ""
    header = ("network", "layers", "test accuracy", "agrees with teacher", "loss, nats", "calibration error",
              "parameters", "kFLOPs", "size, kB")  # fmt: skip
    return f"<h2>Test results and costs</h2>{table(header, rows, 2, 'Test results and costs')}"


def _percent(test: Mapping[str, Any], name: str) -> str:
    return percent(test[name]) if name in test else "–"


def _bars(
    store: Store, row: Run, config: RunConfig, prepared: Prepared | None, networks: Sequence[tuple[Network, int]]
) -> str:
    """Return the softened outputs of the last evaluation with a temperature slider."""
    pinned = next((event for _, event in store.iter_events(row.id, kinds=("pinned",))), None)
    logits: dict[str, list[list[float]]] = {}
    for _, event in store.iter_events(row.id, kinds=("probed",)):
        if isinstance(event, Probed):
            logits |= event.logits
    if not isinstance(pinned, Pinned) or prepared is None or not logits:
        return ""
    pictures = thumbnails.of_validation(config.dataset, pinned.indices) if config.dataset.is_available() else []
    examples = []
    for place, (index, label) in enumerate(zip(pinned.indices, pinned.labels, strict=True)):
        picture = pictures[place] if pictures else None
        position = "" if picture is None or picture.x is None else f" at ({picture.x:g}, {picture.y:g})"
        labels = list(picture.labels) if picture and picture.labels else [label]
        true = " and ".join(prepared.classes[one] for one in labels)
        examples.append({
            "labels": labels, "src": picture.src if picture else None,
            "title": f"Validation example {index}{position}, true class {true}",
        })  # fmt: skip
    task = config.dataset.task
    is_each = tuple(task.row_classes(prepared.classes)) != tuple(prepared.classes)  # each class a yes or no of its own
    data: dict[str, Any] = {
        "classes": prepared.classes, "examples": examples, "isEachAnAnswer": is_each,
        "networks": [
            {"title": _title(network), "kind": _kind(network), "glyph": ROLES[_kind(network)]["glyph"], "index": index,
             "logits": logits[network.role]}
            for network, index in networks if network.role in logits
        ],
    }  # fmt: skip
    # A name of a class may hold the end of a script element.
    body = json.dumps(data, ensure_ascii=False).replace("<", "\\u003c")
    temperature = config.live_values().get("temperature", DEFAULT_TEMPERATURE)
    power = min(max(math.log2(temperature), LOWEST), HIGHEST)
    return (
        "<h2>Softened outputs</h2><p>Only T changes: every network’s logits are divided by T before "
        f"{'a sigmoid' if is_each else 'softmax'}.</p>"
        "<noscript><p>The bars need JavaScript, which is part of this file.</p></noscript>"
        '<div class="inputs"><label for="temperature">Temperature T = <output id="t"></output></label>'
        f'<input id="temperature" type="range" min="{LOWEST}" max="{HIGHEST}" step="0.01" value="{power:.2f}"></div>'
        '<div id="examples" class="examples" role="group" aria-label="Examples"></div>'
        '<div class="inputs"><img id="picture" alt="The chosen example" hidden><span id="example"></span></div>'
        '<div id="bars"></div><p id="summary" class="muted"></p>'
        f'<script type="application/json" id="data">{body}</script><script>{_asset("report.js")}</script>'
    )


def _curves(queries: RunQueries, row: Run, networks: Sequence[tuple[Network, int]]) -> str:
    curves, figures = read_curves(queries, row.id), []
    task = row.config.dataset.task
    score, loss = f"validation {task.validation_score_title}, %", f"training {task.loss_title}"
    for measure, title, scale in ((ACCURACY, score, 100.0), (TRAINING, loss, 1.0)):
        lines = [
            Line(_title(network), _kind(network), index, curve.at[EPOCH], [scale * value for value in curve.values])
            for network, index in networks if (curve := curves.get((network.role, measure))) and curve.values
        ]  # fmt: skip
        if lines:
            legend = " · ".join(f"{ROLES[line.kind]['glyph']} {line.title}" for line in lines)
            chart = line_chart(lines, "epochs of each network", title)
            caption = escape(f"{title[:1].upper()}{title[1:]}: {legend}")
            figures.append(f"<figure>{chart}<figcaption>{caption}</figcaption></figure>")
    return f'<h2>Learning curves</h2><div class="charts">{"".join(figures)}</div>' if figures else ""


def _settings(store: Store, row: Run, config: RunConfig) -> str:
    changed = [[name, text] for name, text in config.differences().items()]
    changes = changes_by_hand(store, row)
    by_hand = f"<p>Changed by hand during training: {escape(changes)}.</p>" if changes else ""
    everything = table(("setting", "value"), [[*pair] for pair in config.flat().items()], 2, "All settings")
    return (
        f"<h2>Settings</h2>{table(('differs from the default', 'value'), changed, 2, 'Settings')}{by_hand}"
        f"<details><summary>All settings</summary>{everything}</details>"
    )


def _provenance(row: Run, config: RunConfig, prepared: Prepared | None) -> str:
    import torch

    dataset = config.dataset
    splits = ", ".join(f"{count:,} {name}" for name, count in (prepared.splits if prepared else {}).items())
    written = time.strftime("%d %b %Y, %H:%M")
    key = teacher_phase(config).learners[0].imported
    origin = provenance(key) if key else None
    rows = [
        *([["Teacher", origin.in_words()]] if origin is not None else []),
        ["Data", dataset.title], ["Source of the data", dataset.source or "not stated"],
        ["Licence of the data", dataset.licence or "not stated"], ["Examples", splits or "not loaded yet"],
        ["Written by", f"Distillery {__version__}, PyTorch {torch.__version__}, Python {platform.python_version()}"],
        ["Written on", written], *([["Training time", f"{row.seconds:,.1f} s"]] if row.seconds else []),
    ]  # fmt: skip
    return f"<h2>Data and versions</h2>{table(('what', 'value'), rows, 2, 'Data and versions')}"
