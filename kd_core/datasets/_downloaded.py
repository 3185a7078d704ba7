"""Base class of data sets that are downloaded once and read with torchvision."""

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
    """Import torchvision.datasets, which takes seconds and has no types."""
    return importlib.import_module("torchvision.datasets")


@dataclass(frozen=True)
class Resource:
    """Remote file and its ``target``, a file or a folder below the data set's own.

    Of an archive the members that ``keep`` accepts are extracted, and ``inside`` it (by default the name of the target)
    becomes the target as a whole, or not at all.
    """

    target: str
    remote: RemoteFile
    inside: str = ""
    keep: Callable[[str], bool] = lambda _: True


class DownloadedDataset(Dataset):
    """Base class of downloaded data sets, which name their files and read them."""

    family: ClassVar[str] = "images"
    download_bytes: ClassVar[int]  # as stated by the hosts
    required_paths: ClassVar[tuple[str, ...]]  # below the data set's folder

    def resources(self) -> Sequence[Resource]:
        """Return one remote file per target."""
        raise NotImplementedError

    def read(self, folder: Path) -> Data:
        """Read the three splits from the downloaded files."""
        raise NotImplementedError

    @property
    def folder(self) -> Path:
        """Folder of this data set."""
        return data_folder() / "datasets" / self.name

    @property
    def download_size(self) -> int:
        return self.download_bytes

    def is_available(self) -> bool:
        return all((self.folder / path).exists() for path in self.required_paths)

    def load(self) -> Data:
        if not self.is_available():
            raise NotAvailableError(
                f"{self.title} is not on this machine yet ({format_bytes(self.download_size)}). "
                f"Download it beside the choice of data, or with: python -m kd_core fetch {self.name}."
            )
        return self.read(self.folder)

    def download(self, report: ProgressCallback) -> None:
        with folder_lock(self.folder):
            for rest in self.folder.glob(".unpacking-*"):  # of a process that was killed
                shutil.rmtree(rest, ignore_errors=True)
            for resource in self.resources():
                if not (self.folder / resource.target).exists():
                    archive = download.download_file(resource.remote, self.folder, report)
                    with translate_write_errors(self.folder, archive.name):
                        self._install(resource, archive, report)

    def _install(self, resource: Resource, archive: Path, report: ProgressCallback) -> None:
        target = self.folder / resource.target
        target.parent.mkdir(parents=True, exist_ok=True)
        if archive.suffix not in (".gz", ".tgz", ".zip"):
            archive.replace(target)
            return
        scratch = Path(tempfile.mkdtemp(prefix=".unpacking-", dir=self.folder))
        try:
            extract(archive, scratch, report, resource.keep)
            unpacked = scratch / (resource.inside or target.name)
            if not unpacked.exists():
                raise ValueError(f"{archive.name} does not hold {unpacked.name}: it is not the expected file.")
            unpacked.rename(target)  # atomic, since both are on the same disk
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
        archive.unlink()

    @contextmanager
    def translate_read_errors(self) -> Iterator[None]:
        """Translate torchvision's errors about damaged files into one sentence."""
        try:
            yield
        except (RuntimeError, AssertionError, ValueError, TypeError, LookupError, OSError, EOFError,
                pickle.UnpicklingError) as error:  # fmt: skip
            raise ValueError(
                f"the files of {self.title} are damaged or incomplete. Delete the folder datasets/{self.name} in "
                f"the data folder and download them again with: python -m kd_core fetch {self.name}."
            ) from error
