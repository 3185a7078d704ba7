"""Programs of ``torch.export.save`` (.pt2), rewritten so that loading them runs nothing.

``torch.export.load`` unpickles objects, evaluates symbolic expressions and guards as Python, resolves any name below
``torch``, and builds Python source from the names of the graph. Therefore an archive is not loaded as it is. A new one
is written with the graph and the tensors alone, after everything in the graph has been found to be an identifier, a
number, or an operator of ATen. Loaded is the new one, for the first time in a process with limits of memory and time.
"""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from kd_core.files import limited_process
from kd_core.files.limits import RefusedError, quoted
from kd_core.files.teachers.batches import MAX_EXAMPLES, compute_in_batches

MAX_BYTES = 2_000_000_000
MAX_GRAPH = 50_000_000  # bytes of the graph as JSON
FILE = "program.pt2"
HINT = "export it again with torch.export.save, from the network in eval mode, with one tensor as its input."
# Parts of an archive that hold a program. Everything else, such as compiled libraries, is left out.
MEMBERS = re.compile(
    r"(archive_format|archive_version|byteorder|version|\.data/\w+|models/\w+\.json|data/sample_inputs/\w+\.pt|"
    r"data/(weights|constants)/(\w+_config\.json|(weight|tensor)_\d+))"
)
IDENTIFIER, PATH = re.compile(r"[A-Za-z_]\w*", re.ASCII), re.compile(r"[A-Za-z_0-9.]*", re.ASCII)
OPERATOR = re.compile(
    r"torch\.ops\.aten\.\w+\.\w+|_operator\.(add|sub|mul|floordiv|mod|neg|eq|ne|lt|le|gt|ge|getitem)|"
    r"torch\.(sym_max|sym_min|sym_not|sym_ite)",
    re.ASCII,
)
FORBIDDEN = re.compile(r"torch\.ops\.aten\.(_?print|from_file|save|load|set_data|\w*_out|_\w*assert\w*)\.", re.ASCII)
# Sizes as sympy writes them, such as Mul(Integer(2), Symbol('s31', positive=True, integer=True)).
EXPRESSION = re.compile(
    r"(Symbol\('[su]\d{1,9}'(, (positive|nonnegative|integer)=True)*\)|\b[su]\d{1,9}\b|\b\d{1,18}\b|[-+*/(),<>=\s]|"
    r"\b(Integer|Add|Mul|Max|Min|Mod|FloorDiv|PythonMod|CleanDiv|CeilDiv|Eq|Ne|Ge|Gt|Le|Lt|Equality|Unequality|"
    r"GreaterThan|LessThan|StrictGreaterThan|StrictLessThan)\b)+",
    re.ASCII,
)
MODES = {
    "none",
    "tanh",
    "floor",
    "trunc",
    "constant",
    "reflect",
    "replicate",
    "circular",
    "mean",
    "sum",
    "max",
    "linear",
}
NAMES = {"name", "as_name", "parameter_name", "buffer_name", "tensor_constant_name", "user_input_name", "fqn"}
TREES = {"builtins.tuple": ("null", None), "builtins.list": ("null", None), "builtins.dict": ("[]",), None: (None,)}


def is_program(names: list[str]) -> bool:
    """Return whether the members of a ZIP archive are those of a program."""
    return any(re.fullmatch(r"([^/]+/)?models/\w+\.json", name) for name in names)


def rewrite(blob: bytes) -> bytes:
    """Return an archive with the graph and the tensors of a program alone. Raises RefusedError."""
    target = io.BytesIO()
    try:
        with zipfile.ZipFile(io.BytesIO(blob)) as source, zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as copy:
            entries = source.infolist()
            if sum(entry.file_size for entry in entries) > MAX_BYTES:
                raise RefusedError(f"it unpacks to more than {MAX_BYTES / 1e9:g} GB: give a smaller program.")
            if len({entry.filename for entry in entries}) < len(entries):
                raise RefusedError(f"two of its members have one name: {HINT}")
            for entry in entries:
                if entry.compress_type != zipfile.ZIP_STORED:  # torch stores, and a bomb would not
                    raise RefusedError(f"its members are compressed: {HINT}")
                root, _, name = entry.filename.partition("/")
                content = source.read(entry)
                if MEMBERS.fullmatch(name):
                    copy.writestr(f"{root}/{name}", _checked(name, content))
                elif not re.fullmatch(r"extra/[\w./-]*|data/(weights|constants)/|data/sample_inputs/", name):
                    raise RefusedError(f"it holds {quoted(name or root)}, which is no part of a plain program: {HINT}")
    except (zipfile.BadZipFile, OSError, NotImplementedError, UnicodeDecodeError, RecursionError) as error:
        raise RefusedError(f"it is damaged, or no program of torch.export: {HINT}") from error
    return target.getvalue()


def _checked(name: str, content: bytes) -> bytes:
    """Return the content of a member, changed so that it can do nothing. Raises RefusedError."""
    if name.startswith("data/sample_inputs/"):
        example = io.BytesIO()
        torch.save(((torch.zeros(1),), {}), example)
        return example.getvalue()
    if not name.endswith(".json"):
        return content
    if len(content) > MAX_GRAPH:
        raise RefusedError(f"its graph is larger than {MAX_GRAPH / 1e6:g} MB: give a smaller program.")
    try:
        body = json.loads(content.decode())
        if name.startswith("models/"):
            _check_program(body)
        else:
            for entry in body["config"].values():
                if entry["use_pickle"] or not re.fullmatch(r"(weight|tensor)_\d+", entry["path_name"], re.ASCII):
                    raise RefusedError(f"one of its tensors is a pickle, which is not read: {HINT}")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        if isinstance(error, RefusedError):
            raise
        raise RefusedError(f"its description of the graph cannot be read: {HINT}") from error
    return json.dumps(body).encode()


def _check_program(program: dict[str, Any]) -> None:
    """Check a program as JSON, and remove what is not needed to compute it, which is evaluated when it is loaded."""
    module = program["graph_module"]
    program["guards_code"], module["metadata"], module["treespec_namedtuple_fields"] = [], {}, {}
    for node in module["graph"]["nodes"]:
        node["metadata"] = {}
        target = node["target"]
        if not OPERATOR.fullmatch(target) or FORBIDDEN.match(target):
            raise RefusedError(f"it calls {quoted(target)}, and only operators of ATen are computed: {HINT}")
    for key in ("tensor_values", "sym_int_values", "sym_bool_values", "sym_float_values"):
        _check_names(module["graph"].get(key, {}))
    if module["graph"].get("custom_obj_values"):
        raise RefusedError(f"it holds objects beside tensors: {HINT}")
    _check_names(program["range_constraints"])
    _check_names(program["opset_version"])
    versions = {key: program.pop(key) for key in ("torch_version", "verifiers") if key in program}
    _check(program, "")
    program |= {"torch_version": str(torch.__version__).split("+")[0]} if "torch_version" in versions else {}
    program |= {"verifiers": ["TRAINING"]} if "verifiers" in versions else {}


def _check_names(entries: Mapping[str, Any]) -> None:
    for name in entries:
        if not IDENTIFIER.fullmatch(name):
            raise RefusedError(f"{quoted(name)} is no name of a value: {HINT}")


def _check(value: Any, key: str) -> None:
    """Raise RefusedError for a string that could become more than a name, at any depth."""
    if isinstance(value, Mapping):
        if "graph" in value and "name" in value and key == "as_graph":
            raise RefusedError(f"it has branches or loops, which are not computed: {HINT}")
        for name, inner in value.items():
            if not re.fullmatch(r"\w+", name, re.ASCII):
                raise RefusedError(f"{quoted(name)} is no name of a value: {HINT}")
            _check(inner, name)
    elif isinstance(value, list):
        for inner in value:
            _check(inner, key)
    elif isinstance(value, str):
        _check_text(value, key)


def _check_text(value: str, key: str) -> None:
    if key in ("in_spec", "out_spec"):
        if value:
            _check_tree(json.loads(value)[1])
    elif key == "expr_str":
        if not EXPRESSION.fullmatch(value) or len(value) > 200 or "**" in value:
            raise RefusedError(f"the size {quoted(value)} is no plain expression: {HINT}")
    elif key == "target":
        pass  # checked with its node
    elif key == "as_string":
        if value not in MODES:
            raise RefusedError(f"it passes the text {quoted(value)} to an operator: {HINT}")
    elif key in NAMES or key == "forward_arg_names":
        if not PATH.fullmatch(value) or (key == "name" and value and not IDENTIFIER.fullmatch(value)):
            raise RefusedError(f"{quoted(value)} is no name of a value: {HINT}")
    elif key != "type" or value != "cpu":
        raise RefusedError(f"its graph holds the text {quoted(value)}: {HINT}")


def _check_tree(tree: Mapping[str, Any]) -> None:
    """Check the description of nested inputs or outputs, whose containers must be tuples, lists and dictionaries."""
    if tree["type"] not in TREES or tree["context"] not in TREES[tree["type"]]:
        raise RefusedError(f"its inputs or outputs are {quoted(str(tree['type']))}: {HINT}")
    for inner in tree["children_spec"]:
        _check_tree(inner)


def examine(blob: bytes, shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return the shape of the output of a rewritten program for one input of ``shape``. Raises RefusedError."""
    import tempfile

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / FILE).write_bytes(blob)
        try:
            text = limited_process.call("kd_core.files.teachers.program:output_shape", json.dumps(shape), folder=folder)
        except limited_process.LimitError as error:
            raise RefusedError(f"it cannot be computed for inputs of {shape} ({error}): {HINT}") from error
        except ValueError as error:
            raise RefusedError(f"{error}: {HINT}") from error
    return tuple(json.loads(text))


def output_shape(folder: Path, text: str) -> str:
    """Compute a program for a batch. Runs in the limited process. Raises ValueError."""
    output = load((folder / FILE).read_bytes())(torch.zeros(MAX_EXAMPLES, *json.loads(text)))
    if output.dim() != 2 or len(output) != MAX_EXAMPLES:
        raise ValueError("it does not return logits (N, K)")
    return json.dumps(list(output.shape[1:]))


def load(blob: bytes) -> Callable[[Tensor], Tensor]:
    """Return the function of inputs (B, ...) that a rewritten program computes, as the network did in eval mode.

    Raises ValueError for a program with several inputs or outputs.
    """
    program = torch.export.load(io.BytesIO(blob))
    names = program.graph_signature.user_inputs
    if len(names) != 1 or len(program.graph_signature.user_outputs) != 1:
        raise ValueError("it must have one input and one output, the logits")
    sizes = next(node.meta["val"].shape for node in program.graph.nodes if node.name == names[0])
    network = program.module(check_guards=False)
    fixed = sizes[0] if isinstance(sizes[0], int) else 0
    return lambda inputs: compute_in_batches(network, inputs, fixed)
