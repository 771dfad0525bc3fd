"""Labels from words, numbers, folders and tables end as indices into class names."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gansmith.domains.image.labels import Labels, above_folders, concern, from_folders, from_values, match, parse, training_part
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
        ([" b", "a ", "b\t"], (), [1, 0, 1], ("a", "b")),
        (["1/", "²", "2", "12345678901234567890"], (), [0, 3, 2, 1], ("1/", "12345678901234567890", "2", "²")),
        (["dog ", "cat"], ("cat ", "dog"), [1, 0], ("cat", "dog")),
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
        ("file_name;label\n1.png;x\n2.png;y\n", "l.csv"),
        ("file_name\tlabel\r1.png\tx\r2.png\ty\r", "l.csv"),
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


@given(st.text(min_size=1).filter(str.strip), st.sampled_from(["\n", "\r\n", "\r"]))
def test_a_text_of_json_lines_may_hold_any_letter(text: str, end: str) -> None:
    lines = [json.dumps({"file_name": name, "label": text}, ensure_ascii=False) for name in NAMES]
    assert parse(end.join(lines), "labels.jsonl") == [(name, text) for name in NAMES]


def test_a_number_of_json_that_nobody_can_read_is_told() -> None:
    with pytest.raises(DataError, match=r"labels\.json cannot be read"):
        parse(f'{{"1.png": {"9" * 5000}}}', "labels.json")


def test_rows_of_different_lengths_are_told() -> None:
    with pytest.raises(DataError, match="differ in shape"):
        from_values([np.array([1, 0]), np.array([1])])


@given(st.lists(st.sampled_from(["crane", "maillot", "owl"]), min_size=1, max_size=8))
def test_classes_of_one_name_stay_apart(names: list[str]) -> None:
    found = from_values(np.arange(len(names)), names)
    assert len(set(found.classes)) == len(names)
    assert [c.partition(" ")[0] for c in found.classes] == names
    assert found.classes[0] == names[0]


def test_a_table_without_labels_is_passed_over() -> None:
    assert parse("file_name,text,size\n1.png,a dog,3\n", "metadata.csv") == []


def test_a_file_name_that_is_not_unique_does_not_match_by_itself() -> None:
    with pytest.raises(DataError, match="no label for 2 of 2"):
        match([("1.png", "x")], ["a/1.png", "b/1.png"], "labels.csv")


@pytest.mark.parametrize("values", [["a", None], [["a"], ["b"]], [["a", "b"], ["c"]], [{"a": 1}, "b"]])
def test_a_label_that_is_no_word_or_number_is_told(values: list[object]) -> None:
    with pytest.raises(DataError, match="one word or number was expected"):
        from_values(values)


def test_labels_in_bytes_that_are_no_text_are_told() -> None:
    with pytest.raises(DataError, match="not UTF-8"):
        from_values(np.array([b"\xff", b"a"]))


# --- which row means which picture ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rows", "names", "above", "words"),
    [
        ({"train/0.png": "x", "test/0.png": "y"}, ["0.png"], "/photos/train", ["x"]),
        ({"/other/photos/train/0.png": "x", "/other/photos/test/0.png": "y"}, ["0.png"], "/photos/train", ["x"]),
        ({"train/0.png": "x", "test/0.png": "y"}, ["train/0.png", "test/0.png"], "/photos", ["x", "y"]),
        ({"0.png": "x", "old/0.png": "y"}, ["0.png"], "/photos", ["x"]),
        ({"set/a/0.png": "x", "set/b/0.png": "y"}, ["a/0.png", "b/0.png"], "", ["x", "y"]),
        ({"0.png": "x", "1.png": "y"}, ["a/0.png", "b/1.png"], "", ["x", "y"]),
        ({"b/0.png": "x", "c/1.png": "y"}, ["a/b/0.png", "a/c/1.png"], "", ["x", "y"]),
        ({"a/0": "x", "b/0": "y"}, ["set/a/0.png", "set/b/0.png"], "", ["x", "y"]),
        ({"train/0": "x", "test/0": "y"}, ["0.png"], "/photos/train", ["x"]),
        ({"0.jpg": "x", "1.jpg": "y"}, ["0.png", "1.png"], "", ["x", "y"]),
        ({"0.jpg": "y", "0.png": "x"}, ["0.png"], "", ["x"]),
        ({"a/0.png": "x", "b/0.png": "x"}, ["0.png"], "", ["x"]),
        ({"train/0.png": "x", "0.png": "y"}, ["0.png", "train/0.png"], "/photos/train", ["y", "x"]),
    ],
)
def test_the_row_with_most_of_the_path_decides(rows: dict[str, str], names: list[str], above: str, words: list[str]) -> None:
    found = match(rows.items(), names, "labels.csv", above)
    assert isinstance(found, Labels)
    assert [found.classes[i] for i in found.indices] == words


@pytest.mark.parametrize(
    ("pairs", "names", "told"),
    [
        ([("0.png", "x"), ("./0.png", "y")], ["0.png"], "two rows for '0.png' with different labels, 'x' and 'y'"),
        ([("train/0.png", "x"), ("test/0.png", "y")], ["0.png"], "rows 'train/0.png' and 'test/0.png' with different labels"),
        ([("0.jpg", "x"), ("0.gif", "y")], ["0.png"], "rows '0.jpg' and '0.gif' with different labels"),
        ([("a/0.png", "x")], ["a/0.png", "0.png"], "no label for 1 of 2 pictures, for example '0.png'"),
        ([("photos/a/0.png", "x")], ["a/0.png", "0.png"], "no label for 1 of 2 pictures, for example '0.png'"),
        ([("0", "x")], ["0.png", "0.jpg"], "no label for 2 of 2"),
        ([("0.png", ["x", "y"])], ["0.png"], "the label of '0.png' in labels.csv is a list"),
        ([("0.png", None)], ["0.png"], "no label for 1 of 1"),
        ([("0.png", "  ")], ["0.png"], "no label for 1 of 1"),
    ],
)
def test_rows_that_leave_a_doubt_are_told(pairs: list[tuple[str, object]], names: list[str], told: str) -> None:
    with pytest.raises(DataError, match=told):
        match(pairs, names, "labels.csv")


def test_equal_rows_and_spaces_do_no_harm() -> None:
    found = match([("0.png ", "x "), ("0.png", " x"), ("1.png", "y")], ["0.png", "1.png"], "labels.csv")
    assert isinstance(found, Labels)
    assert found.classes == ("x", "y")


def test_a_point_in_a_name_is_no_suffix() -> None:
    found = match([("img_0.5", "x"), ("img_0.7", "y")], ["img_0.5.png", "img_0.7.png"], "labels.csv")
    assert isinstance(found, Labels)
    assert found.indices.tolist() == [0, 1]
    assert len(match([("v1", "x"), ("v1.2", "y")], ["v1.png", "v1.2.png"], "labels.csv")) == 2
    assert concern([("img_0.5", "x")], ["img_0.5.png"])


def test_a_label_that_is_not_a_number_is_none() -> None:
    with pytest.raises(DataError, match=r"no label for 1 of 2 pictures, for example '0\.png'"):
        match([("0.png", math.nan), ("1.png", 1)], ["0.png", "1.png"], "labels.json")


def test_labels_that_are_null_are_none() -> None:
    assert parse('{"labels": null}', "dataset.json") == []


def test_a_column_whose_values_hardly_repeat_is_no_class() -> None:
    text = "file_name,text\n" + "".join(f"{i}.png,a picture of {i}\n" for i in range(20))
    assert parse(text, "metadata.csv") == []
    with pytest.raises(DataError, match=r"'text' of labels\.csv has 20 different values for 20 rows"):
        parse(text, "labels.csv", several=True)
    assert len(parse(text.replace("text", "label", 1), "labels.csv", several=True)) == 20


# --- folders -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("names", "above"),
    [
        (["cat/1.png", "dog/1.png"], []),
        (["cat/1.png", "dog/1.png", "2.png", "3.png"], ["2.png", "3.png"]),
        (["set/cat/1.png", "set/dog/1.png", "2.png"], ["2.png"]),
        (["train/cat/1.png", "test/dog/1.png", "train/2.png"], ["train/2.png"]),
        (["cat/1.png", "2.png"], []),
        (["train/1.png", "test/1.png", "2.png"], []),
    ],
)
def test_pictures_above_class_folders(names: list[str], above: list[str]) -> None:
    assert above_folders(names) == above
    assert not above or from_folders(names) is None


@pytest.mark.parametrize(
    ("names", "kept", "left"),
    [
        (["train/cat/1.png", "test/cat/2.png"], ["train/cat/1.png"], ["test"]),
        (["set/Training/1.png", "set/val/2.png", "set/test/3.png"], ["set/Training/1.png"], ["set/test", "set/val"]),
        (["train/1.png", "train/2.png"], None, []),
        (["test/1.png", "val/2.png"], None, []),
        (["train/1.png", "other/2.png"], None, []),
        (["train/1.png", "test/2.png", "3.png"], None, []),
        (["cat/train/1.png", "cat/test/2.png", "dog/train/1.png"], None, []),
        (["1.png", "2.png"], None, []),
    ],
)
def test_the_training_part(names: list[str], kept: list[str] | None, left: list[str]) -> None:
    assert training_part(names) == (names if kept is None else kept, left)
