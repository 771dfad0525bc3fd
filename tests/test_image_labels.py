"""Labels from words, numbers, folders and tables end as indices into class names."""

from __future__ import annotations

import numpy as np
import pytest

from gansmith.domains.image.labels import from_folders, from_values, match, parse
from gansmith.errors import DataError


@pytest.mark.parametrize(
    ("values", "names", "indices", "classes"),
    [
        (["b", "a", "b"], (), [1, 0, 1], ("a", "b")),
        (np.array([10, 9, 10]), (), [1, 0, 1], ("9", "10")),
        (["10", "9", "10"], (), [1, 0, 1], ("9", "10")),
        (["007", "9", "10"], (), [0, 2, 1], ("007", "10", "9")),
        (np.array([1.0, 0.0]), (), [1, 0], ("0", "1")),
        (np.array([True, False]), (), [1, 0], ("0", "1")),
        (np.array([b"x", b"w"]), (), [1, 0], ("w", "x")),
        (np.eye(3)[[2, 0]], (), [1, 0], ("0", "2")),
        (np.array([[4], [5]]), (), [0, 1], ("4", "5")),
        (np.array([1, 0]), ("cat", "dog", "eel"), [1, 0], ("cat", "dog", "eel")),
        (["dog", "cat"], ("cat", "dog"), [1, 0], ("cat", "dog")),
    ],
)
def test_values(values: object, names: tuple[str, ...], indices: list[int], classes: tuple[str, ...]) -> None:
    found = from_values(values, names)  # type: ignore[arg-type]
    assert found.indices.tolist() == indices
    assert found.indices.dtype == np.int64
    assert found.classes == classes


@pytest.mark.parametrize("values", [np.array([0.5, 1]), np.array([np.nan]), np.zeros((3, 4)), np.zeros((3, 2, 2))])
def test_values_that_are_no_classes(values: np.ndarray) -> None:
    with pytest.raises(DataError, match="--labels none"):
        from_values(values)


def test_a_word_that_is_no_class() -> None:
    with pytest.raises(DataError, match="'cow', which is not among"):
        from_values(["cow"], ("cat",))


@pytest.mark.parametrize(
    ("names", "classes"),
    [
        (["cat/1.png", "dog/1.png"], ("cat", "dog")),
        (["set/cat/1.png", "set/dog/deep/1.png"], ("cat", "dog")),
        (["train/cat/1.png", "test/cat/2.png", "train/dog/1.png"], ("cat", "dog")),
        (["cat/1.png", "2.png"], None),
        (["cat/1.png", "cat/2.png"], None),
        (["1.png", "2.png"], None),
        (["train/1.png", "test/2.png"], None),
    ],
)
def test_folders(names: list[str], classes: tuple[str, ...] | None) -> None:
    found = from_folders(names)
    assert (found.classes if found else None) == classes


NAMES = ["a/1.png", "a/2.png"]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("filename,label\na/1.png,x\na/2.png,y\n", "l.csv"),
        ("\ufeffImage,Category,more\n1.png,x,0\n2.png,y,0\n", "l.csv"),
        ("id,breed\n1,x\n2,y\n", "l.csv"),
        ('{"a\\\\1.png": "x", "./a/2.png": "y", "other.png": "z"}', "l.json"),
        ('{"labels": [["a/1.png", "x"], ["a/2.png", "y"]]}', "dataset.json"),
        ('[{"file_name": "1.png", "label": "x"}, {"file_name": "2.png", "label": "y"}]', "l.json"),
        ('{"file_name": "1.png", "label": "x"}\n\n{"file_name": "2.png", "label": "y"}\n', "l.jsonl"),
    ],
)
def test_tables(text: str, name: str) -> None:
    found = match(parse(text, name), NAMES, name)
    assert found.indices.tolist() == [0, 1]
    assert found.classes == ("x", "y")


def test_a_table_without_labels_is_passed_over() -> None:
    assert parse("file_name,text,size\n1.png,a dog,3\n", "metadata.csv") == []


def test_a_file_name_that_is_not_unique_does_not_match_by_itself() -> None:
    with pytest.raises(DataError, match="no label for 2 of 2"):
        match([("1.png", "x")], ["a/1.png", "b/1.png"], "labels.csv")
