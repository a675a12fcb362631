"""Learn one set of clusters from many images: choose, foresee, watch, pause, cancel, go on.

    choosing --start-->  training, or paused  ------>  done  --propose-->  proposing
        ^                        |                       ^                     |
        +--- ending <--cancel----+                       +---------------------+

Everything that takes time is a `Stream`; a timer asks what came of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Literal

import numpy as np
from qtpy.QtCore import Qt, QTimer, Signal
from qtpy.QtGui import QImage, QPixmap
from qtpy.QtWidgets import (
    QComboBox,
    QFormLayout,
    QFrame,
    QGridLayout,
    QLabel,
    QProgressBar,
    QScrollArea,
    QWidget,
)

from unseg_studio.document.live import sentence
from unseg_studio.project.trained import BrokenOff
from unseg_studio.segmenters import SEGMENTERS, Segmenter, make_segmenter, params_of
from unseg_studio.segmenters.forecast import Forecast, forecast, span
from unseg_studio.segmenters.training import N_PREVIEWS, Trainable, parameters_of
from unseg_studio.widgets import backbone_box
from unseg_studio.widgets.backbone_box import BackboneBox
from unseg_studio.widgets.background import Background
from unseg_studio.widgets.following import when_gone
from unseg_studio.widgets.form import Form, fields_of_segmenter
from unseg_studio.widgets.layout import SPACING, button, column, row, words
from unseg_studio.widgets.loss_curve import LossCurve
from unseg_studio.widgets.stream import Stream
from unseg_studio.widgets.training_source import (
    SIDE,
    News,
    OthersWait,
    Proposed,
    Rgb,
    TrainingSource,
    news_of,
)

LOOK_MS = 50
"""How often it asks what came of the work."""

REST_MS = 400
"""A change is measured when the person has rested this long."""

CHOICES_WIDTH = 310
PREVIEW_COLUMNS = 3
MOST_TOLD = 5
"""Images that could not be read, in words; the others are counted."""

ELSEWHERE = frozenset((*backbone_box.FIELDS, "model"))

Phase = Literal["choosing", "training", "ending", "done", "proposing"]

MEASURING = "Measuring how long it will take …"


class TrainingView(QWidget):
    """One training, from the choice of the method to what can be done with the model.

    Parameters
    ----------
    source : TrainingSource
        What to learn from.
    device : str
        See `resolve_device`.
    others_wait : callable or None
        Whether somebody waits for other work now; then the next step of the training waits, too.
    method : str
        What to offer first, where nothing was broken off.
    is_narrow : bool
        Everything in one column, to be scrolled.
    """

    trained = Signal(object)
    """A Segmenter with a new model."""
    proposed = Signal()
    """All images have their proposals."""
    gallery_requested = Signal(object)
    """The person wants to look at the clusters of this Segmenter; see `offer_gallery`."""
    phase_changed = Signal()

    def __init__(
        self,
        source: TrainingSource,
        *,
        device: str = "auto",
        others_wait: OthersWait | None = None,
        method: str = "",
        is_narrow: bool = False,
    ) -> None:
        super().__init__()
        self._source, self._device = source, device
        self._others_wait = others_wait or (lambda: False)
        self._segmenter = _first_trainable(method)
        self._left: tuple[BrokenOff, ...] = ()
        self._phase: Phase = "choosing"
        self._is_offered = False
        self._has_gallery = self._is_proposing = False
        self._result: Segmenter | None = None
        self._problems: list[str] = []
        self._streams: list[Stream[Any]] = []
        self._work: Stream[News] | Stream[Proposed] | None = None
        self._measuring: Stream[Forecast | None] | None = None
        self._background = Background(self)
        self._make_parts()
        self._lay_out(is_narrow=is_narrow)
        self._look = QTimer(self, interval=LOOK_MS)
        self._rest = QTimer(self, singleShot=True, interval=REST_MS)
        self._show_segmenter()
        self._show_phase()

        self.method.activated.connect(self._on_method_chosen)
        self.backbone.wished.connect(lambda values: self._wish(**values))
        self._rest.timeout.connect(self._measure)
        self._look.timeout.connect(self._pull)
        when_gone(self, partial(_cancel_all, self._streams))
        self._ask_what_is_left()

    # What is true

    @property
    def segmenter(self) -> Trainable:
        """Method and parameters that are chosen."""
        return self._segmenter

    @property
    def names(self) -> Sequence[str]:
        """Of the images that it learns from."""
        return self._source.names

    @property
    def phase(self) -> Phase:
        """What goes on."""
        return self._phase

    @property
    def is_paused(self) -> bool:
        """The training waits for the person."""
        return self._work is not None and self._work.is_paused

    @property
    def is_resting(self) -> bool:
        """It is paused, and the step that was under way has ended."""
        return self._work is not None and self._work.is_resting

    @property
    def left(self) -> BrokenOff | None:
        """What can be gone on with, by the method and the parameters that are chosen."""
        if self._is_offered:
            own = parameters_of(self._segmenter)
            for left in self._left:
                if left.method == self._segmenter.name and left.parameters == own:
                    return left
        return None

    @property
    def told(self) -> str:
        """The last sentence about time, memory or what came of it."""
        return str(self._told.text())

    def offer_gallery(self) -> None:
        """There is somebody who shows the clusters of a model; see `gallery_requested`."""
        self._has_gallery = True
        self._show_phase()

    def take(self, source: TrainingSource) -> None:
        """Learn from other images, as long as nothing goes on."""
        if self._phase in ("choosing", "done"):
            self._source = source
            self._result = None
            self._set_phase("choosing")
            self._forget_previews()
            self._ask_what_is_left()

    # Parts

    def _make_parts(self) -> None:
        self.method = self._make_method()
        self._summary = words(quiet=True)
        self.backbone = BackboneBox()
        self.form = self._make_form()
        self._count = words()
        self.curve = LossCurve()
        self._pictures = [self._make_picture() for _ in range(N_PREVIEWS)]
        self._bar = QProgressBar()
        self._bar.setTextVisible(False)
        self._bar.setAccessibleName("Steps of the training")
        self._course = words()
        self._skipped = words(quiet=True)
        self._told = words()
        self.start_button = button(
            "Start", "Learn from the images; it can be paused at any time", self.start,
            picture="run",
        )  # fmt: skip
        self.anew_button = button(
            "Begin anew", "Forget what was learned before it was broken off", self.begin_anew
        )
        self.pause_button = button(
            "Pause", "Take no further step until you go on", self.pause_or_go_on
        )
        self.cancel_button = button(
            "Cancel", "End it; what is needed to go on later is kept", self.cancel, picture="stop"
        )
        self.propose_button = button(
            "Propose labels for all images with it",
            "For all images that nobody has worked on yet; each keeps its proposal",
            self.propose, picture="accept",
        )  # fmt: skip
        self.gallery_button = button(
            "Look at its clusters …", "Name, merge and split them once, for all images",
            lambda: self.gallery_requested.emit(self._result),
        )  # fmt: skip

    def _make_method(self) -> QComboBox:
        box = QComboBox()
        box.setAccessibleName("Method")
        for name, kind in SEGMENTERS.items():
            if isinstance(make_segmenter(name), Trainable):
                box.addItem(kind.title, name)
                box.setItemData(box.count() - 1, kind.summary, Qt.ItemDataRole.ToolTipRole)
        return box

    def _make_form(self) -> Form:
        form = Form(fields_of_segmenter(self._segmenter), without=ELSEWHERE)
        form.edited.connect(lambda name, value: self._wish(**{name: value}))
        return form

    def _make_picture(self) -> QLabel:
        picture = QLabel()
        picture.setFixedSize(SIDE, round(SIDE * 0.76))
        picture.setAlignment(Qt.AlignmentFlag.AlignCenter)
        picture.setFrameShape(QFrame.Shape.StyledPanel)
        return picture

    def _lay_out(self, *, is_narrow: bool) -> None:
        choices, course = QWidget(), QWidget()
        head = QFormLayout()
        head.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        head.addRow("Method", self.method)
        self._choices = column(
            choices, self._count, head, self._summary, self.backbone, self.form, margin=0
        )
        self._choices.addStretch(0 if is_narrow else 1)
        previews = self._make_grid(2 if is_narrow else PREVIEW_COLUMNS)
        column(
            course, self.curve, self._bar, self._course, previews, self._skipped, margin=0
        ).setStretch(0, 1)
        starting = row(self.start_button, self.anew_button, self.pause_button, self.cancel_button)
        ending = row(self.propose_button, self.gallery_button)
        if is_narrow:
            both = QWidget()
            column(both, choices, course, margin=0).addStretch(1)
            layout = column(self, _scrolled(both), self._told, starting, ending, margin=0)
        else:
            body = row(_scrolled(choices, CHOICES_WIDTH), course, stretch=1)
            body.setSpacing(16)
            layout = column(self, body, self._told, row(starting, ending), margin=0)
        layout.setStretch(0, 1)

    def _make_grid(self, n_columns: int) -> QGridLayout:
        grid = QGridLayout()
        grid.setSpacing(SPACING)
        for place, picture in enumerate(self._pictures):
            grid.addWidget(picture, *divmod(place, n_columns))
        grid.setColumnStretch(n_columns, 1)
        return grid

    # The person chooses

    def _on_method_chosen(self, index: int) -> None:
        name = self.method.itemData(index)
        if name != self._segmenter.name:
            self._choose(_first_trainable(name))

    def choose(self, segmenter: Trainable) -> None:
        """Choose method and parameters."""
        if self._phase in ("choosing", "done"):
            self._choose(segmenter)

    def _choose(self, segmenter: Trainable) -> None:
        self._segmenter = segmenter
        self._show_segmenter()
        if self._phase == "done":
            self._set_phase("choosing")
        else:
            self._show_phase()
        self._measure_soon()

    def _wish(self, **values: Any) -> None:
        try:
            self._choose(replace(self._segmenter, **values))
        except ValueError as error:
            self._show_segmenter()
            self._tell(str(error))

    def _show_segmenter(self) -> None:
        segmenter = self._segmenter
        self.method.setCurrentIndex(self.method.findData(segmenter.name))
        self._summary.setText(segmenter.summary)
        values = {name: getattr(segmenter, name) for name in params_of(segmenter)}
        if self.form.values().keys() != values.keys() - ELSEWHERE:
            old, self.form = self.form, self._make_form()
            self._choices.replaceWidget(old, self.form)
            old.hide()
            old.deleteLater()
        self.form.show_values(values)
        self.backbone.setVisible(backbone_box.BACKBONE in values)
        self.backbone.show_values(values)

    # What is left, and what it will take

    def _ask_what_is_left(self) -> None:
        n = len(self._source.names)
        self._count.setText(f"Learns from {n:,} image{'' if n == 1 else 's'}.")
        self._background.run(self._source.left, self._on_left, lambda _: self._on_left(()))

    def _on_left(self, left: tuple[BrokenOff, ...]) -> None:
        is_first, self._is_offered = not self._is_offered, True
        self._left = left
        if is_first and left and self._phase == "choosing":
            self._take_up(left[-1])
        self._show_phase()
        if self._phase == "choosing":
            self._measure_soon()

    def _take_up(self, left: BrokenOff) -> None:
        """Offer to go on with what was broken off last."""
        try:
            segmenter = make_segmenter(left.method, None, **left.parameters)
        except ValueError:  # of another version
            return
        if isinstance(segmenter, Trainable):
            self._segmenter = segmenter
            self._show_segmenter()

    def _measure_soon(self) -> None:
        self._stop_measuring()
        self._tell(MEASURING if self._source.names else _NO_IMAGES)
        if self._source.names:
            self._rest.start()

    def _measure(self) -> None:
        if self._phase == "choosing":
            images, segmenter = self._source.images, self._segmenter
            make = partial(_measured, images, segmenter, self._device)
            self._measuring = self._begun(Stream(make, self._others_wait))

    def _stop_measuring(self) -> None:
        self._rest.stop()
        if self._measuring is not None:
            self._measuring.cancel()
            self._measuring = None

    def _show_forecast(self, stream: Stream[Forecast | None]) -> None:
        is_over = stream.is_over  # before it is emptied
        known = [told for told in stream.take() if told is not None]
        if known:
            more = "" if known[-1].is_settled else " Still measuring …"
            self._tell(_in_words(known[-1]) + more)
        if is_over:
            self._measuring = None
            if stream.error is not None:
                self._tell(sentence(stream.error))

    # The person trains

    def start(self) -> None:
        """Begin, or go on with what was broken off."""
        if self._phase not in ("choosing", "done") or not self._source.names:
            return
        self._stop_measuring()
        self._result, self._is_proposing = None, False
        if self.left is None:
            self.curve.clear()
        self._skipped.setText("")
        self._course.setText("Reading the first images …")
        self._bar.setRange(0, 0)
        self._set_phase("training")
        make = partial(news_of, self._source, self._segmenter)
        self._work = self._begun(Stream(make, self._others_wait))

    def begin_anew(self) -> None:
        """Forget what was broken off, and start."""
        if self._phase != "choosing" or self.left is None:
            return
        method = self._segmenter.name
        self._left = tuple(left for left in self._left if left.method != method)
        self._show_phase()
        self.start_button.setEnabled(False)
        self._background.run(partial(self._source.forget, method), lambda _: self.start())

    def pause_or_go_on(self) -> None:
        """Wait before the next step, or wait no longer."""
        if self._work is None or self._phase != "training":
            return
        if self._work.is_paused:
            self._work.go_on()
        else:
            self._work.pause()
        self._show_phase()

    def cancel(self) -> None:
        """End the training, or the proposals; what is needed to go on is kept."""
        if self._work is not None and self._phase in ("training", "proposing"):
            self._work.cancel()
            self._set_phase("ending")

    def propose(self) -> None:
        """Propose labels for all images with the new model."""
        steps = self._source.propose(self._result) if self._result is not None else None
        if steps is None or self._phase != "done":
            return
        self._problems, self._is_proposing = [], True
        self._bar.setRange(0, 0)
        self._course.setText("Starting …")
        self._set_phase("proposing")
        self._work = self._begun(Stream(lambda: steps))

    def stop(self) -> None:
        """End everything at its next step, and return at once."""
        self._look.stop()
        self._stop_measuring()
        self._background.forget()
        _cancel_all(self._streams)

    @property
    def streams(self) -> Sequence[Stream[Any]]:
        """What goes on, or may not have ended yet: whoever closes what it reads closes it first."""
        return tuple(self._streams)

    # What comes of it

    def _begun(self, stream: Stream[Any]) -> Any:
        self._streams[:] = [old for old in self._streams if not old.is_over] + [stream]
        self._look.start()
        return stream

    def _pull(self) -> None:
        if self._measuring is not None:
            self._show_forecast(self._measuring)
        if self._work is not None:
            self._show_work(self._work)
        if self._measuring is None and self._work is None:
            self._look.stop()

    def _show_work(self, stream: Stream[Any]) -> None:
        is_over = stream.is_over  # before it is emptied
        news = stream.take()
        if news and isinstance(news[-1], News):
            self._show_news(news)
        elif news:
            self._show_proposed(news)
        if is_over:
            self._work = None
            self._on_ended(stream.error)

    def _show_news(self, news: Sequence[News]) -> None:
        for each in news:
            step = each.step
            self.curve.add(step.step, step.total, step.loss, step.score)
        last = news[-1]
        self._bar.setRange(0, last.step.total)
        self._bar.setValue(last.step.step)
        self._course.setText(_course(last))
        told = last.step.note, _told_of(last.step.skipped)
        self._skipped.setText(" ".join(filter(None, told)))
        shown = [each.pictures for each in news if each.pictures]
        if shown:
            self._show_pictures(shown[-1])
        if last.step.segmenter is not None:
            self._result = last.step.segmenter

    def _show_pictures(self, pictures: Sequence[tuple[int, Rgb]]) -> None:
        names = self._source.names
        for label, (index, rgb) in zip(self._pictures, pictures, strict=False):
            height, width = rgb.shape[:2]
            data = np.ascontiguousarray(rgb).tobytes()
            picture = QImage(data, width, height, 3 * width, QImage.Format.Format_RGB888)
            label.setPixmap(
                QPixmap.fromImage(picture).scaled(
                    label.contentsRect().size(), Qt.AspectRatioMode.KeepAspectRatio,
                    Qt.TransformationMode.SmoothTransformation,
                )
            )  # fmt: skip
            label.setToolTip(names[index] if index < len(names) else "")

    def _forget_previews(self) -> None:
        self.curve.clear()
        for label in self._pictures:
            label.clear()
            label.setToolTip("")

    def _show_proposed(self, news: Sequence[Proposed]) -> None:
        last = news[-1]
        self._problems += [each.problem for each in news if each.problem]
        self._bar.setRange(0, max(1, last.total))
        self._bar.setValue(last.done)
        self._course.setText(f"{last.done:,} of {last.total:,} images have their labels.")
        self._skipped.setText(_told_of(self._problems))

    def _on_ended(self, error: Exception | None) -> None:
        self._bar.setRange(0, max(1, self._bar.maximum()))
        if error is not None:
            self._tell(sentence(error))
            self._set_phase("done" if self._result is not None else "choosing")
        elif self._result is not None:
            was_stopped = self._phase == "ending"
            self._set_phase("done")
            self._on_result(was_stopped=was_stopped)
        else:
            self._set_phase("choosing")
            self._course.setText("Cancelled.")
        if self._phase == "choosing":
            self._is_offered = True
            self._background.run(self._source.left, partial(self._on_left_after, error))

    def _on_result(self, *, was_stopped: bool) -> None:
        if not self._is_proposing:
            score = self.curve.scores[-1][1] if self.curve.scores else float("nan")
            self._tell(
                "The model is learned and kept. Two views of the same image agree by "
                f"{score:.2f} of 1."
            )
            self.trained.emit(self._result)
            return
        self._tell(
            "Stopped; what was made until then is kept." if was_stopped
            else "The images have their proposals; look through them and correct."
        )  # fmt: skip
        self.proposed.emit()

    def _on_left_after(self, error: Exception | None, left: tuple[BrokenOff, ...]) -> None:
        self._left = left
        self._show_phase()
        if error is None:
            self._tell(
                f"Everything until step {self.left.n_steps:,} is kept; it can be gone on with."
                if self.left is not None
                else "Cancelled before there was anything to keep."
            )

    # What is shown

    def _set_phase(self, phase: Phase) -> None:
        self._phase = phase
        self._show_phase()
        self.phase_changed.emit()

    def _show_phase(self) -> None:
        phase, left = self._phase, self.left
        is_choosing = phase in ("choosing", "done")
        for part in (self.method, self.form, self.backbone):
            part.setEnabled(is_choosing)
        self.start_button.setVisible(is_choosing)
        self.start_button.setEnabled(bool(self._source.names) and self._is_offered)
        begin = "Train again" if phase == "done" else "Start"
        self.start_button.setText(f"Go on from step {left.n_steps:,}" if left else begin)
        self.anew_button.setVisible(is_choosing and left is not None)
        self.pause_button.setVisible(phase == "training")
        self.pause_button.setText("Go on" if self.is_paused else "Pause")
        self.cancel_button.setVisible(phase in ("training", "proposing", "ending"))
        self.cancel_button.setEnabled(phase != "ending")
        self.cancel_button.setText("Ending after this step …" if phase == "ending" else "Cancel")
        has_result = phase == "done" and self._result is not None
        self.propose_button.setVisible(has_result and self._can_propose())
        self.gallery_button.setVisible(has_result and self._has_gallery)
        if phase == "training":
            self._tell("Paused; nothing is lost." if self.is_paused else _WORKING)

    def _can_propose(self) -> bool:
        return self._result is not None and self._source.propose(self._result) is not None

    def _tell(self, sentence: str) -> None:
        self._told.setText(sentence)


_NO_IMAGES = "There is no image to learn from; add some."
_WORKING = (
    "Strokes go first; the training takes what is left of the machine. It may "
    "end before the last step, for it does when the score no longer rises."
)


def _first_trainable(name: str) -> Trainable:
    """The method of this name, or the first one that learns from many images."""
    for kind in (name, *SEGMENTERS):
        segmenter = make_segmenter(kind) if kind in SEGMENTERS else None
        if isinstance(segmenter, Trainable):
            return segmenter
    raise AssertionError("no method learns")


def _measured(images: Any, segmenter: Trainable, device: str) -> Any:
    return forecast(segmenter, images(), device)


def _in_words(told: Forecast) -> str:
    return f"{told.sentence} It ends sooner when the score no longer rises."


def _course(news: News) -> str:
    """Where a training stands, in words."""
    step = news.step
    if step.is_last:
        return f"Ended after step {step.step:,} of {step.total:,}."
    told = f"Step {step.step:,} of {step.total:,}"
    if np.isfinite(step.loss):
        told += f" · loss {step.loss:.3g}"
    if np.isfinite(step.score):
        told += f" · views agree {step.score:.2f}"
    if news.n_done > 1:
        told += f" · {span(news.seconds_left, news.seconds_left)} left"
    return told


def _told_of(problems: Sequence[str]) -> str:
    """Images that could not be read, in words."""
    if not problems:
        return ""
    n, more = len(problems), len(problems) - MOST_TOLD
    head = "1 image was left out" if n == 1 else f"{n} images were left out"
    lines = [f"{head}:", *problems[:MOST_TOLD]]
    return "\n".join([*lines, f"… and {more} more."] if more > 0 else lines)


def _scrolled(inside: QWidget, width: int = 0) -> QScrollArea:
    """Up and down only; of a fixed width, or of any that `inside` can have."""
    area = QScrollArea()
    area.setFrameShape(QFrame.Shape.NoFrame)
    area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    area.setWidgetResizable(True)
    area.setWidget(inside)
    bar = area.verticalScrollBar().sizeHint().width()
    if width:
        area.setFixedWidth(width + bar)
    else:
        area.setMinimumWidth(inside.minimumSizeHint().width() + bar)
    return area


def _cancel_all(streams: list[Stream[Any]]) -> None:
    for stream in streams:
        stream.cancel()
