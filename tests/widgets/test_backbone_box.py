"""The backbone is chosen by name; where its weights are missing they come by download or file."""

from __future__ import annotations

import pytest
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QApplication, QFileDialog, QLabel, QPushButton

from tests.local_server import BODY, serving
from tests.made_up_segmenter import MadeUp
from unseg_studio.features import weights
from unseg_studio.features.catalogue import BACKBONES, BUNDLED
from unseg_studio.segmenters import SEGMENTERS, DiffCluster
from unseg_studio.widgets import Form, SegmenterBox
from unseg_studio.widgets import download as downloads
from unseg_studio.widgets.backbone_box import BackboneDialog, facts, progress_in_words
from unseg_studio.widgets.download import Standing, bytes_there, seconds_left

LEFT = Qt.MouseButton.LeftButton
VIT = "dino_vits16"
VIT_FACTS = "87 MB downloaded · Apache-2.0 · about 1.5 s an image"


@pytest.fixture(autouse=True)
def own_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("UNSEG_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setitem(SEGMENTERS, MadeUp.name, MadeUp)


@pytest.fixture
def server(monkeypatch):
    with serving() as told:
        monkeypatch.setattr(weights, "source", lambda _: told.url)
        yield told
        told.goes_on.set()
        while (running := downloads.running()) is not None:
            running.cancel()
            assert running.wait(20)


@pytest.fixture
def segmenter_box(qtbot, document, live):
    document.set_segmenter(MadeUp())
    box = SegmenterBox(document, live)
    qtbot.addWidget(box)
    box.resize(300, 600)
    box.show()
    yield box
    dialogs = (QFileDialog, BackboneDialog)
    for dialog in (w for w in QApplication.topLevelWidgets() if isinstance(w, dialogs)):
        dialog.close()


@pytest.fixture
def box(segmenter_box):
    return segmenter_box.backbone


def bring(name=VIT):
    """As if it had been downloaded."""
    file = weights.weights_file(name)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(BODY)


def choose(box, name):
    """As if it had been clicked in the open list."""
    index = list(BACKBONES).index(name)
    box._choice.setCurrentIndex(index)
    box._choice.activated.emit(index)


def shown(box):
    return [d for d in box.findChildren(BackboneDialog) if d.isVisible()]


@pytest.fixture
def asked(box):
    """The question about weights that are not there."""

    def ask(name=VIT):
        choose(box, name)
        (dialog,) = shown(box)
        return dialog

    return ask


class TestFacts:
    def test_the_bundled_one_is_there(self):
        line = facts(BACKBONES[BUNDLED])
        assert line == "bundled · Apache-2.0 · about 0.2 s an image"

    def test_one_that_is_not_there_says_what_it_takes(self):
        line = facts(BACKBONES[VIT])
        assert line == "to be downloaded (87 MB) · Apache-2.0 · about 1.5 s an image"

    def test_one_that_has_come_says_so(self):
        bring()
        assert facts(BACKBONES[VIT]) == VIT_FACTS

    def test_one_from_a_file_names_the_file(self):
        assert facts(BACKBONES[VIT], "/far/away/vits16.pth").startswith("87 MB from vits16.pth ·")

    @pytest.mark.parametrize(
        ("standing", "said"),
        [
            (Standing(), "asking the server …"),
            (Standing(done=5_000_000), "5 MB"),
            (Standing(done=5_000_000, total=87_000_000), "5 of 87 MB"),
            (
                Standing(done=34_000_000, total=87_000_000, seconds_left=20),
                "34 of 87 MB, 20 s left",
            ),
            (Standing(done=1, total=87_000_000, seconds_left=300), "0 of 87 MB, 5 min left"),
        ],
    )
    def test_progress_in_words(self, standing, said):
        assert progress_in_words(standing) == said

    def test_time_left_follows_the_speed(self):
        assert seconds_left(10, 40, seconds=2.0) == 8.0
        assert seconds_left(10, 40, seconds=0.1) is None
        assert seconds_left(0, 40, seconds=5.0) is None


def test_the_parameters_have_no_line_in_the_form(segmenter_box):
    assert set(segmenter_box.findChild(Form).values()) == {"smoothness", "fails"}


def test_a_method_without_a_backbone_has_no_box(segmenter_box, box, document):
    assert box.isVisible()
    document.set_segmenter(DiffCluster())
    assert not box.isVisible()


def test_one_that_is_there_is_taken_at_once(qtbot, box, document):
    bring("dino_vits8")
    qtbot.keyClick(box._choice, Qt.Key.Key_Down)
    qtbot.waitUntil(lambda: document.segmenter.backbone == "dino_vits8")
    assert not shown(box)
    assert "87 MB downloaded" in box._facts.text()
    document.undo()
    assert box._facts.text() == facts(BACKBONES[BUNDLED])


def test_one_that_is_missing_asks_and_changes_nothing_yet(qtbot, box, document):
    qtbot.keyClick(box._choice, Qt.Key.Key_Down)
    (dialog,) = shown(box)
    (text,) = dialog.findChildren(QLabel)
    for fact in ("DINO ViT-S/8", "87 MB", "Apache-2.0", "1.5 s", "0.2 s"):
        assert fact in text.text()
    assert document.segmenter == MadeUp()
    assert box._choice.currentData() == BUNDLED


def test_the_bundled_one_can_be_kept(qtbot, box, asked, document):
    dialog = asked()
    assert dialog.keep_button.text() == "Keep the bundled one"
    qtbot.mouseClick(dialog.keep_button, LEFT)
    assert not shown(box)
    assert document.segmenter == MadeUp()


def test_escape_keeps_what_there_is(qtbot, box, asked, document):
    qtbot.keyClick(asked(), Qt.Key.Key_Escape)
    assert not shown(box)
    assert document.segmenter == MadeUp()


def test_a_download_shows_its_progress_and_is_taken_when_it_is_whole(
    qtbot, box, asked, document, server
):
    server.goes_on.clear()
    qtbot.mouseClick(asked().download_button, LEFT)
    qtbot.waitUntil(lambda: box._bar.value() >= 400)
    assert box._come.isVisible()
    assert "DINO ViT-S/16: " in box._progress.text()
    assert document.segmenter == MadeUp()
    server.goes_on.set()
    qtbot.waitUntil(lambda: document.segmenter.backbone == VIT)
    assert weights.weights_file(VIT).read_bytes() == BODY
    assert not box._come.isVisible()
    assert box._facts.text() == VIT_FACTS
    assert box._choice.currentData() == VIT


def test_a_cancelled_download_keeps_what_has_come_and_goes_on_later(
    qtbot, box, asked, document, server
):
    server.goes_on.clear()
    qtbot.mouseClick(asked().download_button, LEFT)
    qtbot.waitUntil(lambda: bytes_there(VIT) > 0)
    qtbot.mouseClick(box._cancel, LEFT)
    assert not box._cancel.isEnabled()
    server.goes_on.set()  # a line that is silent is noticed at its next byte
    qtbot.waitUntil(lambda: not box._come.isVisible())
    assert document.segmenter == MadeUp()
    come = bytes_there(VIT)
    assert 0 < come <= len(BODY)
    dialog = asked()
    assert dialog.download_button.text() == "Go on downloading"
    qtbot.mouseClick(dialog.download_button, LEFT)
    qtbot.waitUntil(lambda: document.segmenter.backbone == VIT)
    assert server.asked[-1] is None or server.asked[-1] == f"bytes={come}-"
    assert weights.weights_file(VIT).read_bytes() == BODY


def test_a_failed_download_says_what_to_do(qtbot, box, asked, document, server):
    server.status = 503
    qtbot.mouseClick(asked().download_button, LEFT)
    qtbot.waitUntil(lambda: box._problem.isVisible())
    for advice in ("503", "--weights FILE", "bundled backbone needs no download"):
        assert advice in box._problem.text()
    assert document.segmenter == MadeUp()
    server.status = 200
    qtbot.mouseClick(asked().download_button, LEFT)
    assert not box._problem.isVisible()  # the old sentence is out of date
    qtbot.waitUntil(lambda: document.segmenter.backbone == VIT)


def test_the_box_of_another_image_shows_the_same_download(
    qtbot, box, asked, document, live, server
):
    server.goes_on.clear()
    qtbot.mouseClick(asked().download_button, LEFT)
    other = SegmenterBox(document, live)
    qtbot.addWidget(other)
    other.show()
    assert other.backbone._download is box._download
    server.goes_on.set()
    qtbot.waitUntil(lambda: other.backbone._problem.isVisible())
    assert "is on this machine now" in other.backbone._problem.text()


def test_asking_twice_is_one_download(server):
    server.goes_on.clear()
    assert downloads.download(VIT) is downloads.download(VIT)
    server.goes_on.set()
    assert downloads.download(VIT).wait(20)


class TestFile:
    @pytest.fixture
    def chosen(self, qtbot, box, asked):
        def choose_file(path):
            qtbot.mouseClick(asked().file_button, LEFT)
            (dialog,) = [d for d in box.findChildren(QFileDialog) if d.isVisible()]
            assert "DINO ViT-S/16" in dialog.windowTitle()
            dialog.fileSelected.emit(str(path))
            dialog.close()

        return choose_file

    def test_the_weights_of_a_file_are_taken(self, qtbot, chosen, document, monkeypatch, tmp_path):
        monkeypatch.setattr(weights, "load", lambda name, path: None)
        chosen(tmp_path / "vits16.pth")
        qtbot.waitUntil(lambda: document.segmenter.backbone == VIT)
        assert document.segmenter.weights == str(tmp_path / "vits16.pth")

    def test_a_file_that_is_no_weights_is_refused_in_words(
        self, qtbot, box, chosen, document, tmp_path
    ):
        chosen(tmp_path / "missing.pth")
        qtbot.waitUntil(lambda: "There is no weights file" in box._problem.text())
        assert "bundled and always there" in box._problem.text()
        assert document.segmenter == MadeUp()

    def test_the_next_backbone_lets_go_of_the_file(self, qtbot, box, document):
        document.set_segmenter(MadeUp(backbone=VIT, weights="/far/away/vits16.pth"))
        assert "from vits16.pth" in box._facts.text()
        assert not box._get.isVisible()
        choose(box, BUNDLED)
        qtbot.waitUntil(lambda: document.segmenter.backbone == BUNDLED)
        assert document.segmenter.weights == ""


class TestLost:
    """A backbone that was chosen elsewhere, such as in a script, and is not on this machine."""

    @pytest.fixture
    def lost(self, qtbot, box, document):
        document.set_segmenter(MadeUp(backbone=VIT))
        return box

    def test_it_is_said_and_a_button_helps(self, qtbot, lost):
        assert "to be downloaded (87 MB)" in lost._facts.text()
        qtbot.mouseClick(lost._get, LEFT)
        assert len(shown(lost)) == 1

    def test_the_bundled_one_is_offered(self, qtbot, lost, document):
        qtbot.mouseClick(lost._get, LEFT)
        (dialog,) = shown(lost)
        assert dialog.keep_button.text() == "Take the bundled one"
        qtbot.mouseClick(dialog.keep_button, LEFT)
        qtbot.waitUntil(lambda: document.segmenter.backbone == BUNDLED)

    def test_its_weights_come_and_the_run_is_made(self, qtbot, lost, document, live, server):
        live.stop()
        assert not document.status.is_busy
        qtbot.mouseClick(lost._get, LEFT)
        qtbot.mouseClick(shown(lost)[0].download_button, LEFT)
        qtbot.waitUntil(lambda: "87 MB downloaded" in lost._facts.text())
        assert not lost._get.isVisible()
        qtbot.waitUntil(lambda: document.status.is_busy)  # it runs by itself


def test_nothing_is_cut_in_the_narrowest_dock(qtbot, segmenter_box, box, asked, server):
    server.goes_on.clear()
    qtbot.mouseClick(asked().download_button, LEFT)
    qtbot.waitUntil(lambda: box._come.isVisible())
    assert segmenter_box.minimumSizeHint().width() <= 300
    parts = (*box.findChildren(QLabel), *box.findChildren(QPushButton))
    seen = [part for part in parts if part.isVisible()]
    assert len(seen) >= 3
    assert all(part.width() >= part.minimumSizeHint().width() for part in seen)
    qtbot.waitUntil(lambda: all(p.height() >= p.heightForWidth(p.width()) for p in seen))
