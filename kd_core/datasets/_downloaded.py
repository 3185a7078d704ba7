"""What all data sets share whose files are fetched once and then read with torchvision's own classes."""

from __future__ import annotations

import importlib
import pickle
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from kd_core.base.paths import data_folder
from kd_core.datasets import Data, Dataset, NotAvailableError, ProgressCallback
from kd_core.files import download
from kd_core.files.archive import extract, format_bytes, translate_write_errors
from kd_core.files.download import RemoteFile
from kd_core.files.lock import folder_lock


def torchvision_datasets() -> Any:
    """torchvision.datasets. Imported late: it takes seconds, and only these data sets need it. It has no types."""
    return importlib.import_module("torchvision.datasets")


@dataclass(frozen=True)
class Resource:
    """A file on the network, and what becomes of it: ``target``, a file or a folder below the data set's own.

    An archive is unpacked, those members that ``keep`` wants, and ``inside`` it (by default what is called like the
    place) goes to the place as a whole, or not at all.
    """

    target: str
    remote: RemoteFile
    inside: str = ""
    keep: Callable[[str], bool] = lambda _: True


class DownloadedDataset(Dataset):
    """Base of the data sets that are fetched. Each says where its files go, where they come from, and reads them."""

    family: ClassVar[str] = "images"
    download_bytes: ClassVar[int]  # bytes, as the hosts state them
    required_paths: ClassVar[tuple[str, ...]]  # what must be there, below the data set's folder

    def resources(self) -> Sequence[Resource]:
        """One for each of the places."""
        raise NotImplementedError

    def read(self, folder: Path) -> Data:
        """The three splits, from files that are there."""
        raise NotImplementedError

    @property
    def folder(self) -> Path:
        """Of this data set alone."""
        return data_folder() / "datasets" / self.name

    @property
    def download_size(self) -> int:
        return self.download_bytes

    def is_available(self) -> bool:
        return all((self.folder / place).exists() for place in self.required_paths)

    def load(self) -> Data:
        if not self.is_available():
            raise NotAvailableError(
                f"{self.title} is not on this machine yet ({format_bytes(self.download_size)}). "
                f"Fetch it beside the choice of data, or with: python -m kd_core fetch {self.name}."
            )
        return self.read(self.folder)

    def download(self, report: ProgressCallback) -> None:
        with folder_lock(self.folder):
            for left in self.folder.glob(".unpacking-*"):  # of a process that was killed
                shutil.rmtree(left, ignore_errors=True)
            for piece in self.resources():
                if not (self.folder / piece.target).exists():
                    archive = download.download_file(piece.remote, self.folder, report)
                    with translate_write_errors(self.folder, archive.name):
                        self._settle(piece, archive, report)

    def _settle(self, piece: Resource, archive: Path, report: ProgressCallback) -> None:
        target = self.folder / piece.target
        target.parent.mkdir(parents=True, exist_ok=True)
        if archive.suffix not in (".gz", ".tgz", ".zip"):
            archive.replace(target)
            return
        scratch = Path(tempfile.mkdtemp(prefix=".unpacking-", dir=self.folder))
        try:
            extract(archive, scratch, report, piece.keep)
            unpacked = scratch / (piece.inside or target.name)
            if not unpacked.exists():
                raise ValueError(f"{archive.name} does not hold {unpacked.name}: it is not what was expected.")
            unpacked.rename(target)  # on the same disk: there at once or not at all
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
        archive.unlink()

    @contextmanager
    def translate_read_errors(self) -> Iterator[None]:
        """Turns what torchvision says of files that are not as published into one sentence."""
        try:
            yield
        except (RuntimeError, AssertionError, ValueError, TypeError, LookupError, OSError, EOFError,
                pickle.UnpicklingError) as error:  # fmt: skip
            raise ValueError(
                f"the files of {self.title} are damaged or not all there. Delete the folder datasets/{self.name} in "
                f"the data folder and fetch them again with: python -m kd_core fetch {self.name}."
            ) from error
