"""Detection of the file type by the first bytes, whatever the name."""

from __future__ import annotations

from typing import BinaryIO

from kd_core.files.limits import RefusedError

PICKLE = (
    "it is a pickle (a .pt, .pth or .pkl file), which can run any program when it is opened and is never opened here: "
    "save weights as safetensors, data as a ZIP or a CSV file."
)
HINT = "give a ZIP of class folders, or a CSV file of points or pixels."
ZIP = (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")
PICKLES = tuple(bytes([0x80, protocol]) for protocol in range(2, 6))
OTHERS = {
    b"\x93NUMPY": "a NumPy file",
    b"\x89PNG": "one PNG image",
    b"\xff\xd8\xff": "one JPEG image",
    b"GIF8": "one GIF image",
    b"%PDF": "a PDF document",
    b"\x1f\x8b": "a gzip archive",
    b"7z\xbc\xaf": "a 7z archive",
    b"Rar!": "a RAR archive",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook",
    b"\x89HDF": "an HDF5 file",
    b"PAR1": "a Parquet file",
}


def is_archive(file: BinaryIO) -> bool:
    """Return True for a ZIP archive and False for a possible table. Raises RefusedError for other known types."""
    file.seek(0)
    head = file.read(16)
    if not head:
        raise RefusedError(f"it is empty: {HINT}")
    if head.startswith(PICKLES):
        raise RefusedError(PICKLE)
    for magic, kind in OTHERS.items():
        if head.startswith(magic):
            raise RefusedError(f"it is {kind}: {HINT}")
    if head[8:9] == b"{" and b"\0" in head[:8]:
        raise RefusedError("it is a safetensors file of weights: add it as weights, not as data.")
    return head.startswith(ZIP)
