"""One image layer under work: its stack, its three layers, and an engine for the planes in use.

a stroke on a plane  ->  stack.work_on  ->  moved  ->  Live and Pump of that plane
a run goes on for its own plane, wherever the person goes
carry                ->  a worker of its own  ->  stack.take  ->  preview layer
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from napari.components import ViewerModel
from napari.layers import Layer
from qtpy.QtCore import QObject, QTimer, Signal

from napari_unseg.doubt import DoubtLayer
from napari_unseg.link import LayerLink
from napari_unseg.planes import Planes, in_words, require_image
from napari_unseg.strokes import NOTHING_HERE
from unseg_studio.data import NOTHING
from unseg_studio.document import (
    PULL_MS,
    Carried,
    Document,
    Failure,
    Live,
    PlaneIndex,
    Stack,
    Worker,
)
from unseg_studio.document.live import sentence
from unseg_studio.widgets import Pump

MAX_ENGINES = 3
"""So many planes keep their engine; one that runs or is at work always does."""

REST_MS = 300
"""The thumbnail follows when labels rest this long: with it napari paints its list of layers."""

LOOK_MS = 50
"""How often carried planes are looked for."""


@dataclass(frozen=True, eq=False)
class Engine:
    """What computes for one plane."""

    live: Live
    pump: Pump

    def close(self, *, wait: bool = True) -> None:
        """End the worker; `wait`: until it has ended."""
        self.pump.deleteLater()
        self.live.close(wait=wait)


@dataclass(frozen=True)
class Progress:
    """How far a carry has come.

    Parameters
    ----------
    done, total : int
        Planes.
    seconds : float
        Since it began.
    """

    done: int
    total: int
    seconds: float

    @property
    def seconds_left(self) -> float | None:
        """None while nobody knows."""
        return self.seconds / self.done * (self.total - self.done) if self.done else None


class Session(QObject):
    """One layer under work.

    Parameters
    ----------
    viewer : ViewerModel
        Where the layer is.
    layer : Layer or None
        What to work on.

    Raises
    ------
    ValueError
        In a sentence, where that is not possible.
    """

    said = Signal(str)
    """A sentence for the person."""
    moved = Signal()
    """Another plane is at work."""
    looked = Signal()
    """Another plane is shown, or the status of planes is different."""
    progressed = Signal()
    """Planes were carried, or a carry began or ended."""
    layers_changed = Signal()
    """One of the layers was removed or came back."""
    ended = Signal(str)
    """The image layer was removed or holds other data; in a sentence."""

    def __init__(self, viewer: ViewerModel, layer: Layer | None) -> None:
        super().__init__()
        self._viewer = viewer
        planes = Planes.of(layer)
        image = require_image(layer)
        self.planes = planes
        self.stack = Stack(
            planes.read, planes.axes.counts, shape=planes.axes.plane_shape, source=planes.source
        )
        point = image.world_to_data(viewer.dims.point)
        self.stack.work_on(planes.axes.index_at(point))
        self.link = LayerLink(viewer, image, planes, self.stack)
        self.doubt = DoubtLayer(viewer, self.link)
        self._engines: dict[PlaneIndex, Engine] = {}
        self._carrier: Worker | None = None
        self._began = 0.0
        self.progress: Progress | None = None
        self._axis = len(planes.axes.others) - 1
        self._shown = self.link.sight.shown
        self._is_closed = False
        self._paint = QTimer(self, singleShot=True, interval=PULL_MS)
        self._painted = 0.0
        self._rest = QTimer(self, singleShot=True, interval=REST_MS)
        self._look = QTimer(self, interval=LOOK_MS)

        self._paint.timeout.connect(self._on_labels_due)
        self._rest.timeout.connect(self.link.show_thumbnail)
        self._look.timeout.connect(self._pull_carried)
        self.stack.events.moved.connect(self._on_moved)
        self.stack.events.let_go.connect(self._on_let_go)
        self.stack.events.kept.connect(self._say)
        self.link.labels_due.connect(self._paint_soon)
        self.link.refused.connect(self._say)
        self.link.looked.connect(self._on_looked)
        self.link.lost.connect(self._on_lost)
        self.link.ended.connect(self._on_ended)

    @property
    def document(self) -> Document:
        """The document of the plane at work."""
        return self.stack.document

    @property
    def live(self) -> Live:
        """The engine of the plane at work."""
        return self._engine_of(self.stack.at_work).live

    @property
    def axis(self) -> int:
        """Along which of the stack's axes the next plane lies: that of the slider moved last."""
        return self._axis

    @property
    def is_stack(self) -> bool:
        """There is more than one plane."""
        return self.stack.n_planes > 1

    @property
    def has_labels(self) -> bool:
        """The plane at work shows some."""
        return set(self.document.shown.areas) != {NOTHING}

    @property
    def is_carrying(self) -> bool:
        """Labels are being carried to other planes."""
        return bool(self._look.isActive())

    def start(self) -> None:
        """Ask for the first labels of the plane at work, where it has none."""
        if not self.has_labels:
            self.live.start()

    def work_here(self) -> None:
        """Make the plane that is shown the one at work."""
        try:
            self.stack.work_on(self.link.sight.shown)
        except ValueError as error:
            self.said.emit(str(error))
        else:
            self.start()

    def owns(self, layer: Layer | None) -> bool:
        """Say whether a layer belongs to the work."""
        return self.link.owns(layer) or self.doubt.owns(layer)

    def look_at_hint(self) -> None:
        """Move the view to the place where one stroke would help most."""
        hint = self.document.hint
        if hint is not None:
            self.link.sight.go_to(self.stack.at_work)
            scene = getattr(self._viewer, "scene", self._viewer)  # before 0.9 there was no scene
            scene.camera.center = self.link.sight.world_of(hint.row, hint.col)

    def choose_nothing(self) -> None:
        """Paint "nothing here" in the corrections layer."""
        if "corrections" in self.link.roles:
            self.link.corrections.selected_label = NOTHING_HERE
            self._viewer.layers.selection.active = self.link.corrections

    def carry(self, *, everywhere: bool) -> None:
        """Carry labels to the next plane, or to all that no person drew on."""
        targets = self.stack.targets(None if everywhere else self._axis)
        if self.is_carrying:
            self.said.emit("Labels are being carried already; wait for the end, or cancel.")
        elif not self.has_labels:
            self.said.emit("There are no labels to carry yet; wait for the first ones.")
        elif not targets:
            self.said.emit(
                "There is no plane to carry to: this is the last one, or somebody drew on the "
                "others, which stay as they are."
            )
        else:
            self._begin_carry(targets)

    def stop_carrying(self) -> None:
        """Cancel; the planes that are done keep their labels."""
        if self._carrier is not None:
            self._carrier.cancel()
        self._end_carry()

    def restore(self) -> None:
        """Show the layers again that the person has deleted."""
        self.link.restore()
        self.layers_changed.emit()

    def close(self) -> None:
        """End the workers; the layers stay. Closing twice is closing once."""
        if self._is_closed:
            return
        self._is_closed = True
        for timer in (self._paint, self._rest, self._look):
            timer.stop()
        self.stack.events.disconnect()
        for signal in (self.link.labels_due, self.link.refused, self.link.looked):
            signal.disconnect()
        self.doubt.close()
        self.link.close()
        for engine in self._engines.values():
            engine.close()
        self._engines.clear()
        if self._carrier is not None:
            self._carrier.close()

    # Engines

    def _engine_of(self, index: PlaneIndex) -> Engine:
        """That of a plane, the one used last at the end."""
        engine = self._engines.pop(index, None)
        if engine is None:
            document = self.stack.documents[index]
            live = Live(document, is_grounded=self.stack.began_carried(index))
            engine = Engine(live, Pump(document, live, self))
        self._engines[index] = engine
        return engine

    def _close_idle(self) -> None:
        """Beyond `MAX_ENGINES`, those that were not used for the longest time."""
        idle = [
            index
            for index, engine in self._engines.items()
            if index != self.stack.at_work and not engine.live.document.status.is_busy
        ]
        for index in idle[: max(0, len(self._engines) - MAX_ENGINES)]:
            self._engines.pop(index).close(wait=False)

    def _on_moved(self, index: PlaneIndex) -> None:
        self._engine_of(index)
        self._close_idle()
        self.moved.emit()

    def _on_let_go(self, index: PlaneIndex) -> None:
        engine = self._engines.pop(index, None)
        if engine is not None:
            engine.close(wait=False)

    # Carrying on

    def _begin_carry(self, targets: tuple[PlaneIndex, ...]) -> None:
        self._carrier = self._carrier or Worker(is_urgent=False)
        job = self.stack.carry(targets, device=self.live.device)
        self.progress = Progress(0, len(targets), 0.0)
        self._began = time.monotonic()
        self._carrier.submit(job)
        self._look.start()
        self.progressed.emit()

    def _pull_carried(self) -> None:
        match self._carrier.take() if self._carrier else None:
            case Carried() as answer:
                self._take(answer)
            case Failure(error):
                self.said.emit(sentence(error))
                self._end_carry()

    def _take(self, answer: Carried) -> None:
        self.stack.take(answer)
        seconds = time.monotonic() - self._began
        self.progress = Progress(len(answer.planes), answer.total, seconds)
        if answer.is_last:
            self._end_carry()
            self.said.emit(_about(answer))
        else:
            self.progressed.emit()

    def _end_carry(self) -> None:
        self._look.stop()
        self.progress = None
        self.progressed.emit()

    # The layers

    def _say(self, sentence: str) -> None:
        self.said.emit(sentence)

    def _paint_soon(self) -> None:
        """At most every `PULL_MS`: napari uploads the whole plane each time.

        Where nothing was painted just before, at once, so that the window is put together one time
        for the labels and for the words about them.
        """
        if self._paint.isActive():
            return
        self._paint.start()
        if self.link.sight.is_flat and time.monotonic() - self._painted > PULL_MS / 1000:
            self._on_labels_due()

    def _on_labels_due(self) -> None:
        self._painted = time.monotonic()
        self._paint.stop()
        self._rest.start()
        self.link.show_labels()
        self.looked.emit()

    def _on_looked(self) -> None:
        """A slider was moved: remember along which axis, compute nothing."""
        shown, before = self.link.sight.shown, self._shown
        self._shown = shown
        changed = [axis for axis, (a, b) in enumerate(zip(shown, before, strict=True)) if a != b]
        self._axis = changed[-1] if changed else self._axis
        self.looked.emit()

    def _on_lost(self, name: str) -> None:
        self.said.emit(
            f"The layer {name!r} was removed. Nothing is lost: everything that was drawn is kept."
        )
        self.layers_changed.emit()

    def _on_ended(self, sentence: str) -> None:
        self.ended.emit(sentence)


def _about(answer: Carried) -> str:
    """What came of a carry, in a sentence."""
    failed = [plane for plane in answer.planes if plane.mosaic is None]
    done = len(answer.planes) - len(failed)
    said = f"Carried to {done} plane{'s' * (done != 1)}."
    if failed:
        first = failed[0]
        said += f" {len(failed)} could not be done; plane {in_words(first.index)}: {first.failure}"
    return said
