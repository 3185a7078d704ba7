"""Detection of the file type by the first bytes, whatever the name."""

from __future__ import annotations

from typing import BinaryIO

from kd_core.files.limits import RefusedError

PICKLE = (
    "it is a pickle (a .pt, .pth or .pkl file), which can run any program when it is opened and is never opened here: "
    "save weights as safetensors, data as a ZIP or a CSV file."
)
HINT = "give a ZIP of class folders, or a table such as a CSV file."
ZIP = (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")
PICKLES = tuple(bytes([0x80, protocol]) for protocol in range(2, 6))
TABLES = {b"\x93NUMPY": "npy", b"PAR1": "parquet", b"ARROW1": "arrow", b"{": "json", b"[": "json"}
OTHERS = {
    b"\x89PNG": f"it is one PNG image: {HINT}",
    b"\xff\xd8\xff": f"it is one JPEG image: {HINT}",
    b"GIF8": f"it is one GIF image: {HINT}",
    b"%PDF": f"it is a PDF document: {HINT}",
    b"\x1f\x8b": "it is a gzip archive: unpack it, and pack a folder as ZIP.",
    b"7z\xbc\xaf": "it is a 7z archive: unpack it, and pack the folder as ZIP.",
    b"Rar!": "it is a RAR archive: unpack it, and pack the folder as ZIP.",
    b"\xd0\xcf\x11\xe0": "it is an old Excel workbook: save it as .xlsx or as CSV.",
    b"\x89HDF": (
        "it is an HDF5 file (.h5, or .mat of MATLAB 7.3): save its arrays with numpy.savez(FILE, x=..., y=...)."
    ),
    b"MATLAB 5.0": (
        "it is a MATLAB file: read its arrays in Python with scipy.io.loadmat, and save them with numpy.savez(FILE, "
        "x=..., y=...)."
    ),
    b"FEA1": "it is a Feather file of version 1: save it with pandas.DataFrame.to_feather, which writes version 2.",
    b"SQLite": "it is an SQLite database: save one table as CSV.",
    b"@relation": "it is an ARFF file: save it as CSV, in Weka or with scipy.io.arff.loadarff and pandas.",
}


def is_safetensors(head: bytes) -> bool:
    """Return whether a file begins like safetensors, with the length of its header, of which the end is 0, and a "{".

    A pickle begins with 0x80, and so does every safetensors file whose header has such a length.
    """
    return head[8:9] == b"{" and head[4:8] == bytes(4)


def detect(file: BinaryIO) -> str:
    """Return "zip", a value of :data:`TABLES`, or "text". Raises RefusedError for other known types."""
    file.seek(0)
    head = file.read(512)
    if not head:
        raise RefusedError(f"it is empty: {HINT}")
    if is_safetensors(head):
        raise RefusedError("it is a safetensors file of weights: add it as weights, not as data.")
    if head.startswith(PICKLES):
        raise RefusedError(PICKLE)
    for magic, sentence in OTHERS.items():
        if head.lower().startswith(magic) if magic == b"@relation" else head.startswith(magic):
            raise RefusedError(sentence)
    if head.startswith(ZIP):
        return "zip"
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if text.startswith(b"%") and b"@relation" in head.lower():  # comments before it
        raise RefusedError(OTHERS[b"@relation"])
    return next((kind for magic, kind in TABLES.items() if text.startswith(magic)), "text")
