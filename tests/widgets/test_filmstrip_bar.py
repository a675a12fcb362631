"""The strip on the screen: begun when the person rests, in sight only, and taken by a click."""

from __future__ import annotations

import pytest
from qtpy.QtCore import Qt

from tests.made_up_segmenter import Gate, MadeUp
from unseg_studio.data import Image
from unseg_studio.document import Document, Live, RunStatus
from unseg_studio.segmenters import SEGMENTERS, DiffCluster
from unseg_studio.widgets import FilmstripBar, Pump
from unseg_studio.widgets.filmstrip import picture_of

LEFT = Qt.MouseButton.LeftButton
N_CARDS = 8


@pytest.fixture
def gate(monkeypatch):
    gate = Gate()
    monkeypatch.setattr(MadeUp, "gate", gate)
    monkeypatch.setitem(SEGMENTERS, MadeUp.name, MadeUp)
    yield gate
    gate.open.set()


@pytest.fixture
def compared(document):
    document = Document(document.image, document.categories, MadeUp())
    document.report(RunStatus("done", n_labels=5))
    return document


@pytest.fixture
def bar(qtbot, compared, gate):
    live = Live(compared, device="cpu")
    bar = FilmstripBar(compared, live)
    qtbot.addWidget(bar)
    Pump(compared, live, bar)
    bar.resize(1000, 160)
    yield bar
    gate.open.set()
    live.close()


def cards(bar):
    return list(bar._cards.values())


def lines(bar):
    return [card.lines for card in cards(bar)]


def is_complete(bar):
    return lambda: all("…" not in line for line in lines(bar))


@pytest.fixture
def complete(qtbot, bar):
    bar.show()
    qtbot.waitUntil(is_complete(bar), timeout=20_000)
    return bar


def test_hidden_it_computes_nothing(qtbot, bar, gate):
    bar._begin_when_rested()
    assert not bar._rest.isActive()
    assert not gate.begun


def test_every_thumbnail_comes_with_its_words(complete):
    assert lines(complete)[0] == ("k = 2", "2 clusters")
    assert lines(complete)[-1][0] == "k-less"
    assert len(cards(complete)) == N_CARDS
    assert all(card._pixmap is not None for card in cards(complete))


def test_before_that_a_card_says_that_it_is_to_come(bar, gate):
    gate.open.clear()
    bar.show()
    assert lines(bar)[0] == ("k = 2", "…")
    assert "still to be computed" in cards(bar)[0].toolTip()


def test_the_current_one_is_framed(qtbot, complete, compared):
    assert [card.lines[0] for card in cards(complete) if card.is_current] == ["k = 5"]
    plain = cards(complete)[1].grab().toImage()
    compared.set_segmenter(MadeUp(n_clusters=3))
    assert [card.lines[0] for card in cards(complete) if card.is_current] == ["k = 3"]
    assert cards(complete)[1].grab().toImage() != plain


def test_a_click_takes_one_and_the_labels_follow(qtbot, complete, compared):
    qtbot.mouseClick(cards(complete)[1], LEFT)
    assert compared.segmenter == MadeUp(n_clusters=3)
    assert compared.status.is_busy
    qtbot.waitUntil(lambda: compared.status.phase == "done")
    assert is_complete(complete)()  # nothing had to be made again
    compared.undo()
    assert compared.segmenter == MadeUp()


def test_the_space_bar_takes_one(qtbot, complete, compared):
    qtbot.keyClick(cards(complete)[-1], Qt.Key.Key_Space)
    assert compared.segmenter == MadeUp(k_less=True)


def test_a_run_goes_first(qtbot, bar, compared, gate):
    gate.open.clear()
    bar.show()
    qtbot.waitUntil(lambda: bool(gate.begun))
    compared.report(RunStatus("preparing"))
    assert not bar.filmstrip.is_working
    assert not bar._look.isActive()
    gate.open.set()
    compared.report(RunStatus("done"))
    qtbot.waitUntil(is_complete(bar), timeout=20_000)


def test_hiding_it_ends_its_work(qtbot, bar, gate):
    gate.open.clear()
    bar.show()
    qtbot.waitUntil(lambda: bool(gate.begun))
    bar.hide()
    assert not bar.filmstrip.is_working
    gate.open.set()
    bar.show()
    qtbot.waitUntil(is_complete(bar), timeout=20_000)


def test_a_failure_is_shown_in_words_and_once(qtbot, bar, compared, gate):
    compared.set_segmenter(MadeUp(fails="The weights are not there; download them."))
    compared.report(RunStatus("done"))
    bar.show()
    qtbot.waitUntil(lambda: bar._message.isVisible())
    assert bar._message.text() == "The weights are not there; download them."
    assert [k for k, _ in gate.begun][-1] == 2
    compared.report(RunStatus("stopped"))
    assert not bar._rest.isActive()


def test_another_method_has_other_cards(qtbot, complete, compared):
    compared.set_segmenter(DiffCluster())
    assert [card.lines[0] for card in cards(complete)] == [f"k ≈ {k}" for k in range(2, 9)]
    compared.report(RunStatus("stopped"))
    qtbot.waitUntil(is_complete(complete), timeout=30_000)


def test_a_narrow_strip_scrolls_and_is_not_cut(qtbot, complete):
    complete.resize(300, complete.sizeHint().height())
    bar = complete._area.horizontalScrollBar()
    qtbot.waitUntil(lambda: bar.maximum() > 0)
    complete._area.ensureWidgetVisible(cards(complete)[-1])
    card = cards(complete)[-1]
    assert complete._area.viewport().height() >= card.height()
    qtbot.mouseClick(card, LEFT)
    assert complete.filmstrip.document.segmenter.k_less


def test_pictures_show_the_clusters_over_the_image(complete):
    variant, *_ = complete.filmstrip.variants
    thumbnail = complete.filmstrip.thumbnail(variant)
    picture = picture_of(thumbnail)
    assert picture.shape == (*thumbnail.labels.shape, 3)
    first, second = (picture[thumbnail.labels == id_].mean(axis=0) for id_ in (1001, 1002))
    assert abs(first - second).max() > 20


def test_it_ends_with_its_widget(qtbot, compared, gate):
    live = Live(compared, device="cpu")
    bar = FilmstripBar(compared, live)
    bar.show()
    filmstrip = bar.filmstrip
    bar.close()
    bar.deleteLater()
    qtbot.waitUntil(lambda: filmstrip._has_ended)
    compared.set_segmenter(MadeUp(n_clusters=3))
    assert not filmstrip.may_begin
    live.close()


def test_a_plane_of_one_channel(qtbot, gate, document):
    image = Image.of(document.image.rgb[..., 0].copy())
    compared = Document(image, (), MadeUp())
    compared.report(RunStatus("done"))
    live = Live(compared, device="cpu")
    bar = FilmstripBar(compared, live)
    qtbot.addWidget(bar)
    bar.show()
    qtbot.waitUntil(is_complete(bar), timeout=20_000)
    live.close()
