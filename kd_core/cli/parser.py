"""Commands and their arguments. Nothing here imports the engine: help is printed at once."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NoReturn

from kd_core import __version__

PROG = "distillery"
HELP = f"""\
usage: {PROG} COMMAND ...
Train a small network under a large one, and see whether the teacher helped.

  list [GROUP | NAME]       data sets, networks, losses and schemes; one in full
  train NAME=VALUE ...      train a teacher, a student, and the student alone
  luck NAME=VALUE ...       repeat it with more seeds: is the gain luck?
  sweep NAME=A,B,C ...      every combination of values, over several seeds
  search NAME=A..B ...      propose values, keep the best, test it on new seeds
  resume RUN                continue a stopped or interrupted run or sweep
  runs [show | delete RUN]  stored runs, or the networks and results of one
  claims [NAME ...]         statements of the literature, tested here in seconds
  export RUN to=FORMAT      take a run home: zip, onnx, pt2, code, html, csv ...
  report RUN FILE           one HTML file with the results of a run
  compress RUN NAME=VALUE   prune the student, distil again, quantise to int8
  code NAME=VALUE ...       the same training as a script of plain PyTorch
  preset [NAME]             published experiments, with their numbers
  fetch DATASET ...         download data sets
  teacher FILE NAME=VALUE   add your own teacher: weights, ONNX, .pt2, logits
  upload FILE               add your own data: images in folders, or a table
  folder ACTION [FOLDER]    back up, restore or shrink the data folder
  doctor                    what this installation lacks, and how to mend it
  app [--port N]            start the browser app
Example: {PROG} train dataset=digits labelled=50 temperature=4 epochs=120
Runs are stored in the data folder. Commands have --help. Version {__version__}.
"""


class Parser(argparse.ArgumentParser):
    """Parser whose errors are one sentence on stderr, with exit status 2."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message.rstrip('.')}. See {self.prog} --help.\n")


@dataclass(frozen=True)
class Command:
    """A command with its summary, its function and its arguments."""

    summary: str
    target: str  # "module:function" below kd_core.cli
    add_arguments: Callable[[Parser], None]


def parse(arguments: Sequence[str]) -> tuple[Command, argparse.Namespace]:
    """Return the command and its arguments. Exits for help, for the version, and with status 2 for a mistake."""
    parser = Parser(PROG, add_help=False)
    if not arguments:
        parser.exit(2, HELP)
    name = arguments[0]
    if name in ("-h", "--help", "help"):
        print(HELP, end="")
        parser.exit()
    if name == "--version":
        print(f"{PROG} {__version__}")
        parser.exit()
    if name not in COMMANDS:
        parser.error(f"{name} is not a command; choose one of {', '.join(COMMANDS)}")
    command = COMMANDS[name]
    parser = Parser(f"{PROG} {name}", description=command.summary, allow_abbrev=False)
    command.add_arguments(parser)
    namespace, unknown = parser.parse_known_intermixed_args(arguments[1:])
    if unknown:
        takes_settings = "settings" in namespace
        advice = "; settings are written as name=value, such as temperature=4" if takes_settings else ""
        parser.error(f"{unknown[0]} is not an option of this command{advice}")
    return command, namespace


def _count(text: str) -> int:
    """Parse a number of lines. Raises ArgumentTypeError."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a whole number from 1 on")
    return int(text)


def settings_of(texts: Sequence[str]) -> dict[str, str]:
    """Return ``name=value`` arguments as settings. Raises ValueError for one without a name or given twice."""
    settings: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise ValueError(f'"{text}": write a setting as name=value, such as temperature=4.')
        if name in settings:
            raise ValueError(f"{name} is given twice: choose one value.")
        settings[name] = value
    return settings


def _train(parser: Parser) -> None:
    _settings(
        parser,
        "dataset, teacher, student, loss, scheme, epochs, seed and all that “distillery list NAME” shows; "
        "track=tensorboard, mlflow, wandb or trackio also writes the run for a tracker, into track_folder=FOLDER; "
        "on=local-cluster or on=ray://HOST:PORT trains on a Ray cluster",
    )
    _output(parser, "print every event as one line of JSON")
    _ephemeral(parser)


def _code(parser: Parser) -> None:
    _settings(parser, "as for train")
    parser.add_argument("--notebook", action="store_true", help="print a Jupyter notebook instead of a script")


def _repeat(parser: Parser) -> None:
    _settings(parser, "as for train, on=... included; seeds=7 says how many seeds (5 by default), from seed=0 on")
    _output(parser, "print the result as one JSON object")
    _ephemeral(parser)


def _sweep(parser: Parser) -> None:
    _settings(
        parser,
        "one to three settings with several values, others with one; method=all stands for every method that applies; "
        "seeds=5 says how many seeds; on=local-cluster or on=ray://HOST:PORT trains them on a Ray cluster",
        metavar="NAME=A,B,C",
    )
    _output(parser, "print the result as one JSON object")
    _ephemeral(parser)


def _search(parser: Parser) -> None:
    _settings(
        parser,
        "settings with a range such as temperature=1..20 or learning_rate=0.0003..0.03:log, or with several values; "
        "others with one; trials=30 says how many trials, seeds=3 how many seeds of each, and trial_patience=12 ends "
        "the search after so many trials without a better one; on=... as for sweep",
        metavar="NAME=A..B",
    )
    _output(parser, "print the result as one JSON object")
    _ephemeral(parser)


def _resume(parser: Parser) -> None:
    parser.add_argument("run", metavar="RUN", help="id of a stopped or interrupted run or sweep")
    _output(parser, "print events (of a run) or the result (of a sweep) as JSON")


def _runs(parser: Parser) -> None:
    parser.add_argument("action", nargs="?", choices=("list", "show", "delete"), default="list")
    parser.add_argument("run", nargs="?", metavar="RUN", help="id of a run or sweep, for show and delete")
    parser.add_argument("--limit", type=_count, default=20, metavar="N", help="how many are listed; 20 by default")
    parser.add_argument("--json", action="store_true", help="print JSON")


def _export(parser: Parser) -> None:
    parser.add_argument("run", metavar="RUN", help="id of a run; “distillery runs” lists them")
    _settings(
        parser,
        "to=zip (weights, plain PyTorch, ONNX and a model card; the default), safetensors, onnx, pt2, code, notebook, "
        "csv, json, parquet, html, tensorboard, mlflow, wandb or trackio; out=FILE or a folder; role=student, teacher, "
        "baseline or another network",
    )


def _report(parser: Parser) -> None:
    parser.add_argument("run", metavar="RUN", help="id of a run; “distillery runs” lists them")
    parser.add_argument("file", metavar="FILE", help="the HTML file to be written, such as report.html")


def _compress(parser: Parser) -> None:
    parser.add_argument("run", metavar="RUN", help="id of a finished run; “distillery runs” lists them")
    _settings(
        parser,
        "prune=0.5 (fraction to remove), kind=channels or weights, role=student, int8=true; all others are settings of "
        "the second training, such as epochs=20",
    )
    _output(parser, "print the table as one JSON object")


def _list(parser: Parser) -> None:
    parser.add_argument(
        "name", nargs="?", metavar="GROUP|NAME",
        help="datasets, models, methods, schemes or presets; or one name or acronym, shown with all of its options",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="print JSON")


def _claims(parser: Parser) -> None:
    parser.add_argument("names", nargs="*", metavar="NAME", help="claims to test here; without one, all are listed")
    _output(parser, "print every judgement as one JSON object, or the list of claims")
    _ephemeral(parser)


def _preset(parser: Parser) -> None:
    parser.add_argument("name", nargs="?", help="which experiment; without one, all are listed")
    _settings(parser, "settings to change, such as seed=1")
    parser.add_argument("--variant", default="", help="which of its variants; the first by default")
    parser.add_argument("--train", action="store_true", help="train it; most take hours without a graphics card")
    parser.add_argument("--small", action="store_true", help="a trial of seconds, too short to show anything")
    _output(parser, "print the experiment, or every event of its training, as JSON")
    _ephemeral(parser)


def _fetch(parser: Parser) -> None:
    parser.add_argument("names", nargs="+", metavar="DATASET", help="data sets to download; see “distillery list”")
    parser.add_argument("--quiet", action="store_true", help="print no progress")


def _upload(parser: Parser) -> None:
    parser.add_argument(
        "file", metavar="FILE|FOLDER", help="images in class folders, a ZIP of them, or a table such as a CSV file"
    )
    _settings(
        parser,
        "label=COLUMN, ignore=COLUMN,COLUMN, names=written:wanted, pixels=32 (8 to 224), colour=auto|grey|colour, "
        "kind=auto|images|table, task=auto|classification",
    )
    parser.add_argument("--leave-out", action="store_true", help="leave out what cannot be used, instead of refusing")
    parser.add_argument("--dry-run", action="store_true", help="say what the file holds, and store nothing")
    parser.add_argument("--json", action="store_true", help="print what was understood as one JSON object")


def _teacher(parser: Parser) -> None:
    parser.add_argument(
        "file", metavar="FILE",
        help="weights (.safetensors, .pt), a program (.pt2), ONNX, logits (.npy, .npz, .csv, .parquet), or a folder "
        "with config.json and weights",
    )  # fmt: skip
    _settings(
        parser,
        "dataset; for weights that are not recognised teacher and its options, such as teacher=zoo "
        "teacher_network=resnet18; normalisation=imagenet, none, dataset or mean/std; classes=a,b,c, the names of the "
        "outputs, or order=1,0,2, the number of the output of every class",
    )
    parser.add_argument("--dry-run", action="store_true", help="measure it and store nothing")
    parser.add_argument("--json", action="store_true", help="print JSON")


def _folder(parser: Parser) -> None:
    parser.add_argument(
        "action", choices=("backup", "restore", "vacuum"),
        help="backup copies all but downloaded data sets, also while the app trains; restore copies a backup into the "
        "data folder of an app that is closed; vacuum writes the database anew without free space",
    )  # fmt: skip
    parser.add_argument(
        "folder", nargs="?", metavar="FOLDER", help="an empty folder, for backup; a backup, for restore"
    )
    parser.add_argument("--replace", action="store_true", help="restore into a folder with runs, which are moved aside")


def _doctor(parser: Parser) -> None:
    parser.add_argument("--port", type=int, default=8501, metavar="N", help="port of the app; 8501 by default")
    parser.add_argument("--json", action="store_true", help="print JSON")


def _app(parser: Parser) -> None:
    parser.add_argument("--port", type=int, default=8501, metavar="N", help="port on this machine; 8501 by default")


def _settings(parser: Parser, text: str, metavar: str = "NAME=VALUE") -> None:
    parser.add_argument("settings", nargs="*", metavar=metavar, help=text)


def _output(parser: Parser, json_help: str) -> None:
    parser.add_argument("--json", action="store_true", help=json_help)
    parser.add_argument("--quiet", action="store_true", help="print the result alone")


def _ephemeral(parser: Parser) -> None:
    parser.add_argument("--ephemeral", action="store_true", help="store nothing, and reuse no stored teacher")


COMMANDS = {
    "list": Command("List what can be chosen, or describe one choice.", "choices:show", _list),
    "train": Command("Train a teacher, a student under it, and the same student alone.", "train:train", _train),
    "luck": Command("Repeat a run with more seeds, for a verdict over all of them.", "sweep:repeat", _repeat),
    "sweep": Command("Train every combination of some settings over several seeds.", "sweep:sweep", _sweep),
    "search": Command("Search for the best values of some settings.", "sweep:search", _search),
    "resume": Command("Continue a stopped or interrupted run or sweep.", "train:resume", _resume),
    "runs": Command("List, show or delete stored runs.", "runs:runs", _runs),
    "claims": Command("List statements of the literature, or test them on this machine.", "experiments:claim", _claims),
    "code": Command("Print a run as a script of plain PyTorch.", "train:code", _code),
    "preset": Command("Show or train a published experiment.", "experiments:preset", _preset),
    "export": Command("Write a run, or one of its networks, to a file.", "runs:export", _export),
    "report": Command("Write the results of a run into one HTML file.", "runs:report", _report),
    "compress": Command("Prune a network of a run, distil again, and quantise it.", "compress:compress", _compress),
    "fetch": Command("Download data sets.", "data:fetch", _fetch),
    "upload": Command("Add your own data to the data folder.", "data:upload", _upload),
    "teacher": Command("Add a teacher of your own to the data folder.", "data:add_teacher", _teacher),
    "folder": Command("Back up, restore or shrink the data folder.", "operations.folder:folder", _folder),
    "doctor": Command(
        "Check versions, devices, the data folder, space, ports and settings.", "operations.doctor:doctor", _doctor
    ),
    "app": Command("Start the browser app on this machine.", "operations.app:app", _app),
}
