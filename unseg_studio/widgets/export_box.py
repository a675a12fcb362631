"""What an export would write: tool, format, options, split, and what is said about it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from qtpy.QtCore import Qt, QTimer, Signal
from qtpy.QtGui import QHideEvent, QShowEvent
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QSizePolicy,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from unseg_studio.document import Document, Live
from unseg_studio.formats import FORMATS, TARGETS, Finding, Format
from unseg_studio.widgets.background import Background
from unseg_studio.widgets.export_job import (
    DocumentSource,
    ExportCheck,
    ExportSource,
    ExportWish,
    Job,
    StoppedError,
)
from unseg_studio.widgets.following import follow
from unseg_studio.widgets.form import Form, fields_of_options
from unseg_studio.widgets.icons import icon
from unseg_studio.widgets.keys import WINDOW, Keys, with_key
from unseg_studio.widgets.layout import SPACING, button, column, row, words

CHECK_MS = 300
ANY_TOOL = "Any tool"

_LOOK_MS = 200
_SHARE = 20
_HIGHEST_SEED = 999_999


class ExportForm(QWidget):
    """Tool, format, options, split, smallest part and findings, without a button.

    Parameters
    ----------
    source : ExportSource
        What would be exported.
    """

    checked = Signal(object)
    """An `ExportCheck` of what is there now."""
    format_chosen = Signal()
    """The person chose another format."""

    def __init__(self, source: ExportSource) -> None:
        super().__init__()
        self.source = source
        self._background = Background(self)
        self._job: Job | None = None
        self._timer = QTimer(self, singleShot=True, interval=CHECK_MS)
        self._look = QTimer(self, interval=_LOOK_MS)
        self._target, self._format = self._make_target(), self._make_format()
        self._purpose = words(quiet=True)
        self._min_area = self._make_min_area()
        self._split = SplitRow()
        if not source.many:
            self._split.hide()
        self._options = self._make_options()
        self._summary, self._details = words(), words(quiet=True)
        self._findings = QVBoxLayout()
        self._findings.setSpacing(SPACING)
        self._layout = column(
            self, self._make_head(), self._options, self._split, self._summary,
            self._details, self._findings, margin=0,
        )  # fmt: skip
        self._show_purpose()
        self._details.hide()
        self._timer.start(0)

        self._target.activated.connect(self._on_target_chosen)
        self._format.activated.connect(self._on_format_chosen)
        self._min_area.valueChanged.connect(self.check_soon)
        self._split.changed.connect(self.check_soon)
        self._timer.timeout.connect(self._check)
        self._look.timeout.connect(self._show_course)

    @property
    def wish(self) -> ExportWish:
        """What is chosen."""
        name = self._format.currentData()
        return ExportWish(
            name,
            FORMATS[name].options(**self._options.values()),
            self._min_area.value(),
            self._target.currentData() or None,
            self._split.val if self.source.many else 0.0,
            self._split.seed,
        )

    def show_wish(self, wish: ExportWish) -> None:
        """Choose all of this; a format that is not for many images stays out."""
        self._target.setCurrentIndex(self._target.findData(wish.target or ""))
        self._format.setCurrentIndex(max(0, self._format.findData(wish.format)))
        self._min_area.setValue(wish.min_area)
        self._split.show_values(wish.val, wish.seed)
        self._show_options(wish.options)
        self.check_soon()

    @property
    def format(self) -> Format:
        """The one that is chosen."""
        return FORMATS[self._format.currentData()]

    @property
    def summary(self) -> str:
        """What is said of the content as a whole."""
        return self._summary.text()

    def check_soon(self) -> None:
        """At most every `CHECK_MS`; a run that streams frames does not put it off for ever."""
        if not self._timer.isActive():
            self._timer.start(CHECK_MS)

    def stop_checking(self) -> None:
        """End a check of many images at its next one."""
        self._background.forget()
        self._look.stop()
        if self._job is not None:
            self._job.course.stop()

    def showEvent(self, event: QShowEvent) -> None:
        """What is not seen is not checked."""
        super().showEvent(event)
        self.check_soon()

    def hideEvent(self, event: QHideEvent) -> None:
        """Nor is it checked on."""
        super().hideEvent(event)
        if self.source.many:
            self.stop_checking()

    # Parts

    def _make_target(self) -> QComboBox:
        box = _narrow_combo("Meant for")
        box.addItem(ANY_TOOL, "")
        for name, target in TARGETS.items():
            box.addItem(target.title, name)
        box.setToolTip(
            "The tool that will read it: the format and the options that it reads best are "
            "chosen,\nand what it would reject or change is said below."
        )
        return box

    def _make_format(self) -> QComboBox:
        box = _narrow_combo("Format")
        for name, format_ in FORMATS.items():
            if format_.holds_many or not self.source.many:
                box.addItem(titled(format_, many=self.source.many), name)
                box.setItemData(box.count() - 1, format_.purpose, Qt.ItemDataRole.ToolTipRole)
        return box

    def _make_min_area(self) -> QSpinBox:
        box = QSpinBox(minimum=1, maximum=1_000_000, value=1)
        box.setSuffix(" px")
        box.setToolTip("Parts with fewer pixels are left out.\nAccepted: 1 to 1,000,000 px.")
        return box

    def _make_head(self) -> QFormLayout:
        layout = QFormLayout()
        layout.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        layout.addRow("Meant for", self._target)
        layout.addRow("Format", self._format)
        layout.addRow(self._purpose)
        layout.addRow("Smallest part", self._min_area)
        return layout

    def _make_options(self) -> Form:
        form = Form(fields_of_options(self.format.options))
        form.edited.connect(self.check_soon)
        return form

    # The person

    def _on_target_chosen(self) -> None:
        target = TARGETS.get(self._target.currentData())
        if target is not None:
            best = next(name for name in target.formats if self._format.findData(name) >= 0)
            self._format.setCurrentIndex(self._format.findData(best))
            self._show_options(target.options.get(best))
            self.format_chosen.emit()
        self.check_soon()

    def _on_format_chosen(self) -> None:
        target = TARGETS.get(self._target.currentData())
        self._show_options(target.options.get(self.format.name) if target else None)
        self.check_soon()
        self.format_chosen.emit()

    def _show_options(self, values: Any) -> None:
        """Show those of the format that is chosen now, with these values if there are any."""
        old, self._options = self._options, self._make_options()
        self._layout.replaceWidget(old, self._options)
        old.hide()
        old.deleteLater()
        if isinstance(values, self.format.options):
            self._options.show_values(vars(values))
        self._show_purpose()

    def _show_purpose(self) -> None:
        self._purpose.setText(self.format.purpose)

    # What would be written

    def _check(self) -> None:
        if not self.isVisible():
            return
        if self.source.is_busy or (self._background.is_busy and not self.source.many):
            self.check_soon()
            return
        self.stop_checking()
        self._job = job = self.source.job(self.wish)
        if self.source.many:
            self._look.start()
        self._background.run(job.checked, self._show_check, self._on_failed)

    def _show_course(self) -> None:
        if self._job is not None:
            course = self._job.course
            self._summary.setText(f"{course.stage} {course.done:,} of {course.total:,} …")

    def _on_failed(self, error: Exception) -> None:
        self._look.stop()
        if not isinstance(error, StoppedError):
            self._show_findings((Finding("error", str(error)),))
            self._summary.setText("It cannot be checked.")

    def _show_check(self, check: ExportCheck) -> None:
        self._look.stop()
        self._summary.setText(f"{check.summary()} will be written.")
        self._details.setText(check.details())
        self._details.setVisible(bool(check.details()))
        self._show_findings(check.findings)
        self.checked.emit(check)

    def _show_findings(self, findings: tuple[Finding, ...]) -> None:
        while (item := self._findings.takeAt(0)) is not None:
            _discard(item.layout())
        for finding in findings:
            self._findings.addLayout(_finding_row(finding))


def document_form(document: Document, live: Live) -> ExportForm:
    """A form about one image, which follows its document."""
    form = ExportForm(DocumentSource(document, live))
    follow(form, document.events.labels_changed, form.check_soon)
    follow(form, document.events.categories_changed, form.check_soon)
    return form


class SplitRow(QWidget):
    """Whether and how images are parted into some to train and some to validate with."""

    changed = Signal()
    """Another split, or none."""

    def __init__(self) -> None:
        super().__init__()
        self._on = QCheckBox("Split to train and validate")
        self._on.setToolTip(
            "An image keeps its part when others are added; planes of a stack stay together."
        )
        self._share = QSpinBox(minimum=1, maximum=99, value=_SHARE, suffix=" % val")
        self._share.setToolTip("Share of the images to validate with.\nAccepted: 1 to 99 %.")
        self._seed = QSpinBox(minimum=0, maximum=_HIGHEST_SEED, prefix="seed ")
        self._seed.setToolTip(
            f"Another one gives another split.\nAccepted: 0 to {_HIGHEST_SEED:,}."
        )
        column(self, self._on, row(self._share, self._seed), margin=0)
        self._on_toggled()

        self._on.toggled.connect(self._on_toggled)
        self._share.valueChanged.connect(self.changed)
        self._seed.valueChanged.connect(self.changed)

    @property
    def val(self) -> float:
        """The share, 0 where there is no split."""
        return self._share.value() / 100 if self._on.isChecked() else 0.0

    @property
    def seed(self) -> int:
        """What decides where each image belongs."""
        return self._seed.value()

    def show_values(self, val: float, seed: int) -> None:
        """Show a split; 0 is none."""
        self._on.setChecked(val > 0)
        self._share.setValue(round(100 * val) if val > 0 else _SHARE)
        self._seed.setValue(seed)

    def _on_toggled(self) -> None:
        for box in (self._share, self._seed):
            box.setEnabled(self._on.isChecked())
        self.changed.emit()


class ExportBox(QWidget):
    """The export panel; says `export_requested` with what was chosen.

    Parameters
    ----------
    document, live : Document, Live
        What would be exported.
    keys : Keys
        Which keys the tooltips name.
    """

    export_requested = Signal(object)
    """An `ExportWish`."""

    def __init__(self, document: Document, live: Live, *, keys: Keys = WINDOW) -> None:
        super().__init__()
        self.form = document_form(document, live)
        tip = with_key("Choose a file and write it", keys.export)
        export_button = button("Export …", tip, self._request, picture="export")
        column(self, row(export_button), self.form).addStretch(1)

    def _request(self) -> None:
        self.export_requested.emit(self.form.wish)


def target_dialog(parent: QWidget, place: Path, format_: Format, *, many: bool) -> QFileDialog:
    """Ask for the file, or the folder, that an export goes to; it may exist.

    Parameters
    ----------
    parent : QWidget
        The window.
    place : Path
        A file or folder that is proposed, or the folder to begin in.
    format_ : Format
        What is written.
    many : bool
        Whether it is about several images.
    """
    ending = format_.suffix or ("" if many else format_.single)
    if not ending:
        dialog = QFileDialog(parent, "Export to folder", str(_folder_of(place)))
        dialog.setFileMode(QFileDialog.FileMode.Directory)
        dialog.setOption(QFileDialog.Option.ShowDirsOnly)
    else:
        dialog = QFileDialog(parent, "Export to", str(place), f"{format_.title} (*{ending})")
        dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
        dialog.setDefaultSuffix(ending.lstrip("."))
    dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    return dialog


def _folder_of(place: Path) -> Path:
    return place if place.is_dir() else place.parent


def titled(format_: Format, *, many: bool) -> str:
    """What a format is called and what it writes: files of an ending, or a folder."""
    ending = format_.suffix or ("" if many else format_.single)
    return f"{format_.title} (*{ending})" if ending else f"{format_.title} (folder)"


def _narrow_combo(name: str) -> QComboBox:
    """One that does not ask for the width of its longest line."""
    box = QComboBox()
    box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    box.setMinimumContentsLength(10)
    box.setAccessibleName(name)
    return box


def _finding_row(finding: Finding) -> QHBoxLayout:
    picture = QLabel()
    name = "info" if finding.severity == "note" else "warning"
    picture.setPixmap(icon(name).pixmap(16))
    sentence = words(finding.sentence)
    policy = QSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
    policy.setHeightForWidth(True)  # else it is as high as if it were narrow
    sentence.setSizePolicy(policy)
    return row(picture, sentence, stretch=1)


def _discard(layout: Any) -> None:
    while (item := layout.takeAt(0)) is not None:
        if item.widget():
            item.widget().deleteLater()
    layout.deleteLater()
