"""Small copies of every downloaded data set in the files and formats of its publisher."""

from __future__ import annotations

import gzip
import hashlib
import io
import pickle
import struct
import tarfile
import zipfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import scipy.io
from PIL import Image
from torchvision import datasets

Part = tuple[np.ndarray, np.ndarray]  # pixels (N, C, H, W) uint8, labels (N,) from 0


@dataclass
class Published:
    """Files of a data set as a host serves them, and their content."""

    files: dict[str, bytes]
    patches: list[tuple[Any, str, Any]]  # class, attribute and value of torchvision for these files
    train: Part
    test: Part
    validation: Part | None = None


def md5(content: bytes) -> str:
    return hashlib.md5(content).hexdigest()


def noise(seed: int, classes: int, per_class: int, shape: tuple[int, ...]) -> Part:
    generator = np.random.default_rng(seed)
    labels = generator.permutation(np.repeat(np.arange(classes), per_class))
    return generator.integers(0, 256, (len(labels), *shape), dtype=np.uint8), labels


def idx(array: np.ndarray) -> bytes:
    """Return an array in the format of MNIST (two zero bytes, 8 for bytes, number of axes, lengths, values)."""
    head = struct.pack(">BBBB", 0, 0, 8, array.ndim) + struct.pack(f">{array.ndim}I", *array.shape)
    return gzip.compress(head + array.astype(np.uint8).tobytes(), 1)


def packed(members: Iterable[tuple[str, bytes]]) -> bytes:
    """Return a gzip-compressed tar archive with its folders as members."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz", compresslevel=1) as tar:
        folders: set[str] = set()
        for name, content in members:
            for depth in range(1, name.count("/") + 1):
                folder = "/".join(name.split("/")[:depth])
                if folder not in folders:
                    folders.add(folder)
                    member = tarfile.TarInfo(folder)
                    member.type = tarfile.DIRTYPE
                    tar.addfile(member)
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


class Python2(pickle._Pickler):
    """Pickler of Python 2, which wrote the files of CIFAR, with strings as bytes and booleans as 0 or 1."""

    dispatch: ClassVar = dict(pickle._Pickler.dispatch)

    def save_text(self, text: str | bytes) -> None:
        content = text.encode("latin1") if isinstance(text, str) else text
        self.write(b"T" + struct.pack("<i", len(content)) + content)
        self.memoize(text)

    def save_truth(self, value: bool) -> None:
        self.save(int(value))

    dispatch[str] = dispatch[bytes] = save_text
    dispatch[bool] = save_truth


def python2(value: object) -> bytes:
    buffer = io.BytesIO()
    Python2(buffer, protocol=2).dump(value)
    return buffer.getvalue().replace(b"cnumpy._core.multiarray\n", b"cnumpy.core.multiarray\n")


def mat(**arrays: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    scipy.io.savemat(buffer, arrays, do_compression=True)
    return buffer.getvalue()


def jpeg(colour: tuple[int, ...], size: tuple[int, int]) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", size, colour).save(buffer, "JPEG", quality=95)
    return buffer.getvalue()


def png(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def photographs(seed: int, classes: int, per_class: int) -> tuple[list[bytes], np.ndarray, np.ndarray]:
    """Return JPEG files of many sizes, the one colour of each (N, 3, 1, 1), and their classes."""
    colours, labels = noise(seed, classes, per_class, (3,))
    sizes = np.random.default_rng(seed).integers(20, 60, (len(labels), 2))
    files = [jpeg(tuple(map(int, c)), (int(w), int(h))) for c, (w, h) in zip(colours, sizes, strict=True)]
    return files, colours[:, :, None, None], labels


def like_mnist(cls: Any, url: str, seed: int) -> Published:
    train, test = noise(seed, 10, 26, (1, 28, 28)), noise(seed + 1, 10, 3, (1, 28, 28))
    folder = cls.__name__
    files, resources = {}, []
    for split, (pixels, labels) in (("train", train), ("t10k", test)):
        for kind, array in (("images-idx3", pixels[:, 0]), ("labels-idx1", labels)):
            name = f"{split}-{kind}-ubyte.gz"
            files[f"{folder}/{name}"] = idx(array)
            resources.append((name, md5(files[f"{folder}/{name}"])))
    return Published(files, [(cls, "mirrors", [f"{url}{folder}/"]), (cls, "resources", resources)], train, test)


def emnist(url: str) -> Published:
    """Return EMNIST as NIST wrote it, transposed, with letters counted from 1 and text files beside the images."""
    buffer, splits = io.BytesIO(), {}
    counts = {"balanced": (47, 24), "letters": (26, 3), "digits": (10, 3), "mnist": (10, 3), "bymerge": (47, 2)}
    with zipfile.ZipFile(buffer, "w") as archive:
        for number, (split, (classes, per_class)) in enumerate((counts | {"byclass": (62, 2)}).items()):
            for part, per_class_in_part in (("train", per_class), ("test", 1)):
                pixels, labels = splits[split, part] = noise(
                    100 + 2 * number + (part == "test"), classes, per_class_in_part, (1, 28, 28)
                )
                name = f"gzip/emnist-{split}-{part}"
                archive.writestr(f"{name}-images-idx3-ubyte.gz", idx(pixels[:, 0].swapaxes(1, 2)))
                archive.writestr(f"{name}-labels-idx1-ubyte.gz", idx(labels + (split == "letters")))
            archive.writestr(f"gzip/emnist-{split}-mapping.txt", "0 48\n")
    content = buffer.getvalue()
    patches = [(datasets.EMNIST, "url", f"{url}gzip.zip"), (datasets.EMNIST, "md5", md5(content))]
    published = Published({"gzip.zip": content}, patches, splits["balanced", "train"], splits["balanced", "test"])
    published.splits = splits  # type: ignore[attr-defined]
    return published


def cifar(cls: Any, url: str, key: str, train: Part, test: Part) -> Published:
    batches, (test_name,) = ([name for name, _ in listed] for listed in (cls.train_list, cls.test_list))

    def batch(pixels: np.ndarray, labels: np.ndarray) -> bytes:
        return python2({"data": pixels.reshape(len(pixels), -1), key: labels.tolist(), "batch_label": "a batch"})

    members = {}
    for name, rows in zip(batches, np.array_split(np.arange(len(train[1])), len(batches)), strict=True):
        members[name] = batch(train[0][rows], train[1][rows])
    members[test_name] = batch(*test)
    names = [f"thing_{number}" for number in range(int(train[1].max()) + 1)]
    members[cls.meta["filename"]] = python2({cls.meta["key"]: names})
    archive = packed((f"{cls.base_folder}/{name}", content) for name, content in members.items())
    patches = [
        (cls, "url", f"{url}{cls.filename}"),
        (cls, "tgz_md5", md5(archive)),
        (cls, "train_list", [[name, md5(members[name])] for name in batches]),
        (cls, "test_list", [[test_name, md5(members[test_name])]]),
        (cls, "meta", cls.meta | {"md5": md5(members[cls.meta["filename"]])}),
    ]
    return Published({cls.filename: archive}, patches, train, test)


def cifar10(url: str) -> Published:
    parts = noise(20, 10, 115, (3, 32, 32)), noise(21, 10, 3, (3, 32, 32))
    return cifar(datasets.CIFAR10, url, "labels", *parts)


def cifar100(url: str) -> Published:
    parts = noise(22, 100, 3, (3, 32, 32)), noise(23, 100, 1, (3, 32, 32))
    return cifar(datasets.CIFAR100, url, "fine_labels", *parts)


def svhn(url: str) -> Published:
    """Return SVHN with axes (rows, columns, colours, images) and the digit 0 written as 10."""
    train, test = noise(30, 10, 115, (3, 32, 32)), noise(31, 10, 3, (3, 32, 32))
    files, listed = {}, {}
    for split, (pixels, labels) in (("train", train), ("test", test)):
        name = f"{split}_32x32.mat"
        written = np.where(labels == 0, 10, labels).astype(np.uint8)[:, None]
        files[name] = mat(X=pixels.transpose(2, 3, 1, 0), y=written)
        listed[split] = [f"{url}{name}", name, md5(files[name])]
    return Published(files, [(datasets.SVHN, "split_list", listed)], train, test)


def stl10(url: str) -> Published:
    """Return STL-10 with axes (images, colours, columns, rows) and classes counted from 1."""
    train, test = noise(40, 10, 23, (3, 96, 96)), noise(41, 10, 2, (3, 96, 96))
    members = {}
    for split, (pixels, labels) in (("train", train), ("test", test)):
        members[f"{split}_X.bin"] = pixels.swapaxes(2, 3).tobytes()
        members[f"{split}_y.bin"] = (labels + 1).astype(np.uint8).tobytes()
    members["class_names.txt"] = "\n".join(f"kind {number}" for number in range(10)).encode()
    members["unlabeled_X.bin"] = bytes(2 * 3 * 96 * 96)
    dataset = datasets.STL10
    archive = packed((f"stl10_binary/{name}", content) for name, content in members.items())
    patches = [
        (dataset, "url", f"{url}stl10_binary.tar.gz"),
        (dataset, "tgz_md5", md5(archive)),
        (dataset, "train_list", [[name, md5(members[name])] for name, _ in dataset.train_list]),
        (dataset, "test_list", [[name, md5(members[name])] for name, _ in dataset.test_list]),
    ]
    return Published({"stl10_binary.tar.gz": archive}, patches, train, test)


def flowers102(url: str) -> Published:
    """Return Flowers-102, whose test split is the largest, with images and classes counted from 1."""
    images, colours, labels = photographs(50, 102, 4)
    first = np.array([[np.flatnonzero(labels == kind)[n] for kind in range(102)] for n in range(4)])
    rows = {"trnid": np.sort(first[0]), "valid": np.sort(first[1]), "tstid": np.sort(first[2:].ravel())}
    dataset = datasets.Flowers102
    files = {
        "102flowers.tgz": packed((f"jpg/image_{n:05d}.jpg", image) for n, image in enumerate(images, start=1)),
        "imagelabels.mat": mat(labels=(labels + 1)[None]),
        "setid.mat": mat(**{name: (numbers + 1)[None] for name, numbers in rows.items()}),
    }
    listed = {key: (name, md5(files[name])) for key, (name, _) in dataset._file_dict.items()}
    patches = [(dataset, "_download_url_prefix", url), (dataset, "_file_dict", listed)]
    train, validation, test = ((colours[numbers], labels[numbers]) for numbers in rows.values())
    return Published(files, patches, train, test, validation)


def imagenette(url: str) -> Published:
    dataset, members, parts = datasets.Imagenette, [], []
    folders = sorted(dataset._WNID_TO_CLASS)
    for seed, split, per_class in ((60, "train", 23), (61, "val", 2)):
        images, colours, labels = photographs(seed, 10, per_class)
        names = [f"imagenette2-160/{split}/{folders[kind]}/{n:04d}.JPEG" for n, kind in enumerate(labels)]
        members += zip(names, images, strict=True)
        order = np.argsort(names)
        parts.append((colours[order], labels[order]))
    archive = packed(members)
    listed = dataset._ARCHIVES | {"160px": (f"{url}imagenette2-160.tgz", md5(archive))}
    return Published({"imagenette2-160.tgz": archive}, [(dataset, "_ARCHIVES", listed)], *parts)


def oxford_pets(url: str) -> Published:
    """Return Oxford-IIIT Pets, with trimaps of a pet (1) to the left, its border (3), and the background (2)."""
    images, colours, labels = photographs(70, 37, 4)
    names = [f"breed_{kind:02d}_{number}" for number, kind in enumerate(labels)]
    members = [(f"images/{name}.jpg", image) for name, image in zip(names, images, strict=True)]
    trimaps = []
    for name, image in zip(names, images, strict=True):
        width, height = Image.open(io.BytesIO(image)).size
        trimap = np.full((height, width), 2, np.uint8)
        trimap[:, : width // 2], trimap[:, width // 2] = 1, 3
        trimaps.append((f"annotations/trimaps/{name}.png", png(trimap)))
    is_test = np.zeros(len(labels), bool)
    is_test[[np.flatnonzero(labels == kind)[0] for kind in range(37)]] = True
    lists = {"trainval": np.flatnonzero(~is_test), "test": np.flatnonzero(is_test)}
    written = {
        split: "".join(f"{names[row]} {labels[row] + 1} {1 + labels[row] % 2} 1\n" for row in rows)
        for split, rows in lists.items()
    }
    annotations = [*((f"annotations/{split}.txt", text.encode()) for split, text in written.items()), *trimaps]
    files = {"images.tar.gz": packed(members), "annotations.tar.gz": packed(annotations)}
    resources = tuple((f"{url}{name}", md5(content)) for name, content in files.items())
    parts = [(colours[rows], labels[rows]) for rows in lists.values()]
    return Published(files, [(datasets.OxfordIIITPet, "_RESOURCES", resources)], *parts)


PUBLISHED: dict[str, Callable[[str], Published]] = {
    "mnist": lambda url: like_mnist(datasets.MNIST, url, 1),
    "fashion_mnist": lambda url: like_mnist(datasets.FashionMNIST, url, 3),
    "kmnist": lambda url: like_mnist(datasets.KMNIST, url, 5),
    "emnist": emnist,
    "cifar10": cifar10,
    "cifar100": cifar100,
    "svhn": svhn,
    "stl10": stl10,
    "flowers102": flowers102,
    "imagenette": imagenette,
    "oxford_pets": oxford_pets,
}
