"""Every reader of labels against damaged files: one sentence, soon, in little memory."""

from __future__ import annotations

import json
import random
import shutil
import time
import warnings
from copy import deepcopy
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fuzzing import fuzzed, said_seed  # noqa: F401
from unseg_studio.data import Annotation, Category, Source, regions_from_labels
from unseg_studio.formats import FORMATS, StartingLabels, export, load

READERS = [name for name, format_ in FORMATS.items() if format_.read is not None]

LONGEST = 5.0
"""Seconds of work for one input."""

SHAPE = (24, 32)
CATEGORIES = (Category(1, "cat", "#e69f00"), Category(2, "ground", "#56b4e9", "stuff"))

VALUES = (
    None, True, -1, 0, 1, 2**31, 2**63, 10**400, -1e308, 0.5, float("nan"), float("inf"), "", "..",
    "../../x", "/etc/passwd", "\x00", "cat", "\ud800", [], [[]], [[[]]], {}, [None], [0, 0], [1e9],
    {"size": [1 << 40, 1 << 40], "counts": [1 << 80]}, "x" * 5000,
)  # fmt: skip
"""What is put in place of values."""

PIECES = (
    b"", b"\x00", b"\xff\xfe", b"nan", b"1e999", b"-", b"99999999999999999999", b"{", b"[" * 3000,
    b"}", b'"', b",", b"\n", b"../", b"<!ENTITY a 'b'>", b"&a;", b"<", b">", b"/>", b" ",
    b"0 " * 50,
)  # fmt: skip
"""What is put between bytes."""


@pytest.fixture(scope="module")
def valid(tmp_path_factory):
    """A file or folder of each format, of labels with a hole and several parts."""
    labels = np.zeros(SHAPE, np.int32)
    labels[3:15, 4:20] = 1
    labels[7:10, 8:12] = 0
    labels[20:, :] = 2
    labels[0, 30] = 2
    regions = regions_from_labels(labels, CATEGORIES)
    annotation = Annotation(SHAPE, Source(Path("cell.png")), CATEGORIES, regions)
    made = {}
    for name in READERS:
        made[name] = tmp_path_factory.mktemp(name) / f"valid{FORMATS[name].suffix}"
        export(annotation, made[name], format=name)
    return made


def files_of(path):
    return [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file())


def places_in(content, place=()):
    """Every place within lists and objects."""
    yield place
    items = content.items() if isinstance(content, dict) else (
        enumerate(content) if isinstance(content, list) else ()
    )  # fmt: skip
    for key, value in items:
        yield from places_in(value, (*place, key))


def put(content, place, value):
    if not place:
        return value
    at = content
    for key in place[:-1]:
        at = at[key]
    if value is KeyError:
        del at[place[-1]]
    else:
        at[place[-1]] = value
    return content


def with_other_values(data, chance):
    """A JSON text in which some values are others, are missing, are twice or lie deeper."""
    content = json.loads(data)
    for _ in range(chance.randint(1, 3)):
        place = chance.choice(list(places_in(content)))
        old = content
        for key in place:
            old = old[key]
        new = deepcopy(chance.choice((*VALUES, KeyError, [old, old], {"a": old}, [old] * 200)))
        content = put(content, place, new)
        if content is KeyError or not isinstance(content, dict | list):
            break
    return json.dumps(None if content is KeyError else content).encode()


def with_other_bytes(data, chance):
    changed = bytearray(data)
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(changed) + 1)
        length = chance.choice((0, 1, 1, 2, 8, 64))
        inserted = chance.choice((chance.choice(PIECES), chance.randbytes(chance.choice((1, 4)))))
        changed[at : at + length] = inserted
    return bytes(changed)


def with_other_order(data, chance):
    """Cut, doubled, or with two pieces exchanged."""
    a, b = sorted(chance.randrange(len(data) + 1) for _ in range(2))
    return chance.choice((data[:a], data[b:], data + data, data[b:] + data[:a], data[:a] * 3, b""))


def damaged(data, chance):
    ways = [with_other_bytes, with_other_order]
    try:
        json.loads(data)
        ways += [with_other_values] * 3
    except ValueError:
        pass
    return chance.choice(ways)(data, chance)


def damage(path, chance):
    """Damage one file of a copy, or take it away, or put a folder in its place."""
    file = chance.choice(files_of(path))
    act = chance.random()
    if act < 0.95 or file == path:
        file.write_bytes(damaged(file.read_bytes(), chance))
    else:
        file.unlink()
        if act > 0.98:
            file.mkdir()


def beside(path):
    """What lies outside of the file or folder that is read."""
    return {*path.parent.iterdir(), *path.parent.parent.iterdir(), *Path().iterdir()}


@pytest.mark.parametrize("name", READERS)
def test_damaged_files_are_one_sentence_or_labels(name, valid, bounded_memory, tmp_path):
    whole = valid[name]
    slowest = 0.0

    @fuzzed
    @given(st.integers(0, 2**64 - 1))
    def fuzz(number):
        nonlocal slowest
        chance = random.Random(number)
        path = tmp_path / "in" / whole.name
        shutil.rmtree(tmp_path / "in", ignore_errors=True)
        path.parent.mkdir()
        copy = shutil.copytree if whole.is_dir() else shutil.copyfile
        copy(whole, path)
        damage(path, chance)
        before = beside(path)
        start = time.process_time()
        read(path, name)
        slowest = max(slowest, time.process_time() - start)
        assert slowest < LONGEST
        assert beside(path) == before

    fuzz()


def read(path, name):
    """Read a file of which only labels, or an error with a sentence about it, may come."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            found = load(path, shape=SHAPE, file_name="cell.png", format=name)
        except (ValueError, OSError) as error:
            sentence = str(error)
            assert type(error) is not UnicodeDecodeError, sentence
            assert str(path.parent) in sentence, sentence
            assert "\n" not in sentence, sentence
            assert len(sentence) < 1500, sentence[:2000]
        else:
            assert isinstance(found, StartingLabels)
            assert found.labels.shape == SHAPE
            known = {category.id for category in found.categories}
            assert set(np.unique(found.labels).tolist()) <= known | {0}
