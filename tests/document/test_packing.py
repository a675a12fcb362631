"""Planes and undo steps as bytes: the same again, and nothing else from bytes that are damaged."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unseg_studio.data import Category, Image, Mosaic
from unseg_studio.document import Document
from unseg_studio.document.history import Step
from unseg_studio.document.packing import (
    DamagedError,
    expanded,
    joined,
    mosaic_bytes,
    mosaic_of,
    parted,
    squeezed,
    step_bytes,
    step_of,
)
from unseg_studio.segmenters import DiffCluster

SHAPE = (260, 300)


def image() -> Image:
    return Image.of((np.indices(SHAPE).sum(axis=0) % 256).astype(np.uint8))


def busy_document() -> Document:
    document = Document(image(), [Category(1, "a", "#e69f00"), Category(2, "b", "#56b4e9")])
    document.show((np.indices(SHAPE)[0] // 50 + 1001).astype(np.int32))
    document.paint([(5, 5), (250, 290)], radius=4)
    document.show((np.indices(SHAPE)[1] // 50 + 1001).astype(np.int32))
    document.brush([(200, 100)], radius=20, id_=2)
    document.name_cluster(1002, 2)
    document.toggle_lock(2)
    document.set_segmenter(DiffCluster(seed=7))
    document.add_category("c", "stuff")
    document.show((np.indices(SHAPE).prod(axis=0) % 700 + 1001).astype(np.int32))
    return document


@given(st.integers(1, 900), st.integers(-1, 5000), st.integers(0, 3))
@settings(max_examples=30, deadline=None, print_blob=True)
def test_planes_come_back_tile_by_tile(n_ids: int, first: int, seed: int) -> None:
    ids = np.random.default_rng(seed).integers(first, first + n_ids, SHAPE, np.int32)
    mosaic = Mosaic.of(ids)
    found = mosaic_of(mosaic_bytes(mosaic), SHAPE)
    np.testing.assert_array_equal(found.array, ids)
    assert [tile.palette for tile in found.tiles] == [tile.palette for tile in mosaic.tiles]


def test_steps_come_back() -> None:
    document = busy_document()
    record = document.record
    assert record.n_done == len(record.steps) == 6
    state = record.state
    for step in reversed(record.steps):
        assert isinstance(step, Step)
        found = step_of(step_bytes(step), SHAPE)
        assert found.text == step.text
        before, again = step.undone(state), found.undone(state)
        for one, other in ((before, again), (step.redone(before), found.redone(again))):
            assert one.shown.equals(other.shown)
            assert one.scribbles.mosaic.equals(other.scribbles.mosaic)
            assert one.named.mosaic.equals(other.named.mosaic)
            assert (one.categories, one.locks) == (other.categories, other.locks)
            assert (one.segmenter, one.fill) == (other.segmenter, other.fill)
        state = before


def test_a_step_takes_what_it_changes() -> None:
    document = Document(image())
    document.paint([(5, 5), (50, 90)], radius=3)
    (step,) = document.record.steps
    assert isinstance(step, Step)
    assert len(step_bytes(step)) < 1000


def test_a_record_of_an_open_step_is_the_same_until_something_changes() -> None:
    document = busy_document()
    assert document.record.equals(document.record)
    before = document.record
    document.undo()
    assert not document.record.equals(before)
    assert document.record.steps[:5] == before.steps[:5]


def test_a_claim_of_great_length_is_refused_before_memory_is_taken() -> None:
    bomb = squeezed(bytes(10**6))
    with pytest.raises(DamagedError, match="at most 1000 fit"):
        expanded(bomb, most=1000)
    with pytest.raises(DamagedError):
        expanded(struct.pack("<I", 900) + bomb[4:], most=1000)


@given(st.binary(max_size=400))
@settings(max_examples=300, deadline=None, print_blob=True)
def test_any_bytes_are_refused_in_one_way(data: bytes) -> None:
    for read in (lambda: mosaic_of(data, SHAPE), lambda: step_of(data, SHAPE)):
        with pytest.raises(DamagedError):
            read()


STEPS = [step_bytes(step) for step in busy_document().record.steps if isinstance(step, Step)]


@given(st.sampled_from(STEPS), st.integers(0, 10**6), st.integers(0, 255), st.booleans())
@settings(max_examples=300, deadline=None, print_blob=True)
def test_damaged_steps_are_refused_or_fit_the_image(
    data: bytes, place: int, value: int, is_cut: bool
) -> None:
    place %= len(data)
    damaged = data[:place] if is_cut else data[:place] + bytes([value]) + data[place + 1 :]
    state = Document(image()).state
    try:
        found = step_of(damaged, SHAPE).undone(state)
    except ValueError as error:
        assert str(error).endswith((".", ")."))
    else:
        assert found.labels.shape == SHAPE


@given(st.integers(0, 3), st.integers(0, 10**6), st.sampled_from([b"\xff", b"\x00", b"[", b"9"]))
@settings(max_examples=200, deadline=None, print_blob=True)
def test_damage_behind_the_compression_is_refused_or_fits(
    part: int, place: int, value: bytes
) -> None:
    pieces = parted(STEPS[0])
    number = min(part, len(pieces) - 1)
    if number != 1:  # the numbers of tiles are not compressed
        raw = expanded(pieces[number], most=2**24)
        place %= len(raw)
        pieces[number] = squeezed(raw[:place] + value + raw[place + 1 :])
    else:
        place %= len(pieces[1])
        pieces[1] = pieces[1][:place] + value + pieces[1][place + 1 :]
    state = Document(image()).state
    try:
        found = step_of(joined(pieces), SHAPE).undone(state)
    except (ValueError, IndexError) as error:
        assert isinstance(error, ValueError), error
    else:
        assert found.labels.shape == SHAPE
