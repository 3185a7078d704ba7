"""Commands ``claims``, which tests statements on this machine, and ``preset``, which trains published experiments."""

from __future__ import annotations

import json
import time
from argparse import Namespace
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from kd_core.analysis.verdict import Judgement, claim_sentence, judge
from kd_core.base.process import keep_freed_memory
from kd_core.cli.folder import held_folder, report_stopped, stop_or_interrupt
from kd_core.cli.output import ProgressLine, print_problems
from kd_core.cli.parser import settings_of
from kd_core.cli.train import train_config
from kd_core.config import presets
from kd_core.config.claims import OUTCOMES, Claim, claims, find
from kd_core.config.run import from_flat
from kd_core.runs.manager import RunManager
from kd_core.runs.questions.claim_runs import stored_runs, train
from kd_core.runs.questions.family_runs import Tests
from kd_core.store.records import STOPPED

POLL_SECONDS = 0.2


class StoppedError(RuntimeError):
    """The user has stopped a sweep, by its id."""


def claim(arguments: Namespace) -> int:
    """List every claim, or train those that are named and print their judgements."""
    print_problems()
    if not arguments.names:
        print(json.dumps(_claim_values(), ensure_ascii=False) if arguments.json else "\n".join(_overview()))
        return 0
    chosen = [find(name) for name in dict.fromkeys(arguments.names)]
    keep_freed_memory()
    try:
        for claim, judgement in _judged(chosen, arguments):
            _print_judgement(claim, judgement, arguments)
    except StoppedError as stop:
        return report_stopped(str(stop))
    return 0


def _overview() -> list[str]:
    lines, topic = [], ""
    for name, claim in claims().items():
        if claim.topic != topic:
            topic = claim.topic
            lines.append(topic)
        lines.append(f"  {name:<24} {claim.title} {_outcome(claim)}")
    return [
        *lines,
        "",
        "The outcome in brackets was measured when the claim was written; “distillery claims NAME” tests it here.",
    ]


def _outcome(claim: Claim) -> str:
    return f"[{OUTCOMES[claim.outcome]}]" if claim.outcome else ""


def _claim_values() -> list[dict[str, object]]:
    names = ("name", "title", "source", "topic", "families", "measure", "seeds", "why")
    return [
        {name: getattr(claim, name) for name in names}
        | {"expected": claim.expected_in_words, "outcome": claim.outcome}
        | {"measured": asdict(claim.measured) if claim.measured else None}
        for claim in claims().values()
    ]


def _judged(chosen: list[Claim], arguments: Namespace) -> Iterator[tuple[Claim, Judgement]]:
    """Yield the claims with their judgements, after training what is missing."""
    line, is_silent = ProgressLine(), arguments.quiet or arguments.json
    if arguments.ephemeral:
        for claim in chosen:
            tests: Tests = {}
            for done, total, tests in train(claim):  # noqa: B007  # the last ones are judged
                if not is_silent:
                    line.show(f"{claim.name}: {done} of {total} runs", is_final=done == total)
            line.end()
            yield claim, judge(claim, tests)
        return
    with held_folder() as manager:
        for claim in chosen:
            _train_missing(manager, claim, None if is_silent else line)
            line.end()
            runs = stored_runs(manager.store, claim)
            judgement = runs.judgement
            if judgement is None:
                raise RuntimeError(f"{claim.name}: {sum(map(len, runs.missing.values()))} runs did not complete.")
            yield claim, judgement


def _train_missing(manager: RunManager, claim: Claim, line: ProgressLine | None) -> None:
    """Train the runs of a claim that are not stored. Ctrl-C stops them; a second one interrupts at once."""
    jobs = [manager.start_sweep(sweep) for sweep in stored_runs(manager.store, claim).sweeps()]
    is_stopping = False
    for number, job in enumerate(jobs):
        while True:
            try:
                status = manager.status(job)
                if status is None or not status.is_active:
                    break
                if line is not None and status.total:
                    fraction = (number + status.done / status.total) / len(jobs)
                    line.show(f"{claim.name}: {fraction:4.0%}", is_final=False)
                time.sleep(POLL_SECONDS)
            except KeyboardInterrupt:
                for other in jobs[number + 1 :]:
                    manager.stop(other)
                stop_or_interrupt(manager, job, is_stopping=is_stopping)
                is_stopping = True
        if status is not None and status.state == STOPPED:
            raise StoppedError(job)


def _print_judgement(claim: Claim, judgement: Judgement, arguments: Namespace) -> None:
    if arguments.json:
        print(json.dumps({"claim": claim.name} | asdict(judgement), ensure_ascii=False), flush=True)
        return
    print(f"{claim.title} ({claim.source})")
    print(f"{OUTCOMES[judgement.outcome].capitalize()}: {judgement.sentence}", flush=True)
    if not arguments.quiet and (then := claim.measured):
        sentence = claim_sentence(claim, then.values, then.estimate, then.interval, then.seeds)
        print(f"When it was written: {sentence}")
        print(claim.why, flush=True)


def preset(arguments: Namespace) -> int:
    """List the published experiments, describe one, or train it."""
    print_problems()
    if arguments.name is None:
        if arguments.train:
            raise ValueError("Which experiment? Write: distillery preset NAME --train. “distillery preset” lists all.")
        print_all(as_json=arguments.json)
        return 0
    chosen = presets.find(arguments.name)
    settings = presets.config(chosen, arguments.variant, small=arguments.small) | settings_of(arguments.settings)
    if arguments.train:
        return train_config(from_flat(settings), arguments)
    if arguments.json:
        print(json.dumps(_preset_values(chosen, arguments.variant) | {"settings": settings}, ensure_ascii=False))
        return 0
    print("\n".join(presets.in_words(chosen, arguments.variant)))
    print("Settings: " + " ".join(f"{name}={text}" for name, text in settings.items()))
    return 0


def print_all(*, as_json: bool) -> None:
    """Print every published experiment under its source."""
    if as_json:
        print(json.dumps([_preset_values(member, "") for member in presets.all_presets()], ensure_ascii=False))
        return
    for source, members in presets.sources():
        print(f"{source.authors} {source.year}, {source.where}")
        print("\n".join(f"  {member.name:<32} {member.title}" for member in members))


def _preset_values(preset: presets.Preset, variant: str) -> dict[str, Any]:
    """Return an experiment with its published and measured numbers as plain values."""
    chosen = preset.variant(variant)
    measured = presets.load_measurements().get(f"{preset.name} {chosen.name}".strip(), {}).get("values", {})
    return {
        "name": preset.name,
        "variant": chosen.name,
        "variants": [one.name for one in preset.variants],
        "title": preset.title,
        "idea": preset.idea,
        "source": vars(preset.source),
        "numbers": [
            {"what": number.what, "published": number.value, "measured": measured.get(number.what)}
            for number in presets.published(preset, chosen.name)
        ],
        "notes": list(preset.notes),
        "settings": presets.config(preset, chosen.name),
    }
