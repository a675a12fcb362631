"""What an export would write: format, options, minimum area, and what is said about it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qtpy.QtCore import QTimer, Signal
from qtpy.QtGui import QShowEvent
from qtpy.QtWidgets import (
    QComboBox,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from unseg_studio.data import Annotation, Image, regions_from_labels
from unseg_studio.document import Document, Live, State
from unseg_studio.document.provenance import provenance
from unseg_studio.formats import FORMATS, Finding, export, preflight
from unseg_studio.widgets.background import Background
from unseg_studio.widgets.following import follow
from unseg_studio.widgets.form import Form, fields_of_options
from unseg_studio.widgets.icons import icon
from unseg_studio.widgets.keys import WINDOW, Keys, with_key
from unseg_studio.widgets.layout import button, column, row, words

CHECK_MS = 300


@dataclass(frozen=True)
class ExportWish:
    """What the person chose.

    Parameters
    ----------
    format : str
        A key of `FORMATS`.
    options : object
        An instance of that format's options.
    min_area : int
        Parts with fewer pixels are left out.
    """

    format: str = "coco"
    options: Any = None
    min_area: int = 1


@dataclass(frozen=True, eq=False)
class ExportJob:
    """A wish and the document as it was when it was made: safe to hand to a thread."""

    image: Image
    state: State
    wish: ExportWish
    device: str

    @classmethod
    def of(cls, document: Document, live: Live, wish: ExportWish) -> ExportJob:
        """What would be written now."""
        return cls(document.image, document.state, wish, live.device)

    def annotation(self) -> Annotation:
        """Everything that has a category, cut into regions."""
        regions = regions_from_labels(
            self.state.labels, self.state.categories, min_area=self.wish.min_area
        )
        made = provenance(self.state, device=self.device)
        image = self.image
        return Annotation(image.shape, image.source, self.state.categories, regions, made)

    def checked(self) -> ExportCheck:
        """What the file would hold, and what is to be said about it."""
        annotation = self.annotation()
        findings = preflight(
            annotation, self.wish.format, options=self.wish.options, labels=self.state.labels
        )
        return ExportCheck(annotation, findings)

    def write(self, path: Path) -> Annotation:
        """Write the file, entirely or not at all."""
        annotation = self.annotation()
        export(annotation, path, format=self.wish.format, options=self.wish.options)
        return annotation


@dataclass(frozen=True, eq=False)
class ExportCheck:
    """The content of a file to be, and findings, gravest first."""

    annotation: Annotation
    findings: tuple[Finding, ...]

    @property
    def refused(self) -> bool:
        """Writing would not work."""
        return any(finding.severity == "error" for finding in self.findings)

    def summary(self) -> str:
        """Regions and categories in one line."""
        used = Counter(region.category for region in self.annotation.regions)
        regions, names = sum(used.values()), len(used)
        return (
            f"{regions} region{'s' * (regions != 1)} "
            f"in {names} categor{'ies' if names != 1 else 'y'}"
        )


class ExportForm(QWidget):
    """Format, options, minimum area and findings, without a button.

    Parameters
    ----------
    document, live : Document, Live
        What would be exported.
    """

    checked = Signal(object)
    """An `ExportCheck` of the document as it is now."""
    format_chosen = Signal()
    """The person chose another format."""

    def __init__(self, document: Document, live: Live) -> None:
        super().__init__()
        self._document, self._live = document, live
        self._background = Background(self)
        self._timer = QTimer(self, singleShot=True, interval=CHECK_MS)
        self._format = self._make_format()
        self._min_area = self._make_min_area()
        self._options = self._make_options()
        self._summary = words()
        self._findings = QVBoxLayout()
        self._layout = column(
            self, self._make_head(), self._options, self._summary, self._findings, margin=0
        )
        self._timer.start(0)

        self._format.activated.connect(self._on_format_chosen)
        self._min_area.valueChanged.connect(self._check_soon)
        self._timer.timeout.connect(self._check)
        follow(self, document.events.labels_changed, self._check_soon)
        follow(self, document.events.categories_changed, self._check_soon)

    @property
    def wish(self) -> ExportWish:
        """What is chosen."""
        name = self._format.currentData()
        return ExportWish(
            name, FORMATS[name].options(**self._options.values()), self._min_area.value()
        )

    def show_wish(self, wish: ExportWish) -> None:
        """Choose all of this."""
        self._format.setCurrentIndex(self._format.findData(wish.format))
        self._min_area.setValue(wish.min_area)
        self._show_options()
        self._options.show_values(vars(wish.options) if wish.options is not None else {})

    def showEvent(self, event: QShowEvent) -> None:
        """What is not seen is not checked."""
        super().showEvent(event)
        self._check_soon()

    # Parts

    def _make_format(self) -> QComboBox:
        box = QComboBox()
        for name, format_ in FORMATS.items():
            box.addItem(f"{format_.title} (*{format_.suffix})", name)
        box.setAccessibleName("Format")
        return box

    def _make_min_area(self) -> QSpinBox:
        box = QSpinBox(minimum=1, maximum=1_000_000, value=1)
        box.setSuffix(" px")
        box.setToolTip("Parts with fewer pixels are left out.\nAccepted: 1 to 1,000,000 px.")
        return box

    def _make_head(self) -> QFormLayout:
        layout = QFormLayout()
        layout.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        layout.addRow("Format", self._format)
        layout.addRow("Smallest part", self._min_area)
        return layout

    def _make_options(self) -> Form:
        form = Form(fields_of_options(FORMATS[self._format.currentData()].options))
        form.edited.connect(self._check_soon)
        return form

    # The person

    def _on_format_chosen(self) -> None:
        self._show_options()
        self._check_soon()
        self.format_chosen.emit()

    def _show_options(self) -> None:
        old, self._options = self._options, self._make_options()
        self._layout.replaceWidget(old, self._options)
        old.deleteLater()

    # The document

    def _check_soon(self) -> None:
        """At most every `CHECK_MS`; a run that streams frames does not put it off for ever."""
        if not self._timer.isActive():
            self._timer.start(CHECK_MS)

    def _check(self) -> None:
        if not self.isVisible():
            return
        if self._background.is_busy or self._document.status.is_busy:
            self._check_soon()  # the cores belong to the engine while it runs
            return
        job = ExportJob.of(self._document, self._live, self.wish)
        self._background.run(job.checked, self._show_check)

    def _show_check(self, check: ExportCheck) -> None:
        self._summary.setText(f"{check.summary()} will be written.")
        while (item := self._findings.takeAt(0)) is not None:
            _discard(item.layout())
        for finding in check.findings:
            self._findings.addLayout(_finding_row(finding))
        self.checked.emit(check)


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
        self.form = ExportForm(document, live)
        tip = with_key("Choose a file and write it", keys.export)
        export_button = button("Export …", tip, self._request, picture="export")
        column(self, row(export_button), self.form).addStretch(1)

    def _request(self) -> None:
        self.export_requested.emit(self.form.wish)


def _finding_row(finding: Finding) -> QHBoxLayout:
    picture = QLabel()
    name = "info" if finding.severity == "note" else "warning"
    picture.setPixmap(icon(name).pixmap(16))
    return row(picture, words(finding.sentence), stretch=1)


def _discard(layout: Any) -> None:
    while (item := layout.takeAt(0)) is not None:
        if item.widget():
            item.widget().deleteLater()
    layout.deleteLater()
