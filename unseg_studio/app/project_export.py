"""The images of a project in one export: which of them, in what format, and what to know before."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from qtpy.QtWidgets import QComboBox, QLabel, QVBoxLayout, QWidget

from unseg_studio.app.dialogs import ExportDialog
from unseg_studio.formats.remembered import Remembered
from unseg_studio.project import Project, Status
from unseg_studio.widgets import ExportForm, ExportWish, SetSource, renamed
from unseg_studio.widgets.layout import row

CHOICES: tuple[tuple[str, tuple[Status, ...]], ...] = (
    ("Accepted", ("done",)),
    ("Accepted and in work", ("done", "in work")),
    ("All with labels", ("done", "in work", "proposed")),
)
"""Which images can be exported together."""


class ProjectForm(ExportForm):
    """What one chooses for an export, with the choice of images on top.

    Parameters
    ----------
    project : Project
        Its images are exported.
    """

    def __init__(self, project: Project) -> None:
        self._project = project
        first = next(i for i, (_, statuses) in enumerate(CHOICES) if _n_images(project, statuses))
        super().__init__(source_of(project, CHOICES[first][1]))
        self.images = self._make_images(first)
        layout = self.layout()
        assert isinstance(layout, QVBoxLayout)
        layout.insertLayout(0, row(QLabel("Images"), self.images, stretch=1))

    def _make_images(self, first: int) -> QComboBox:
        box = QComboBox()
        box.setAccessibleName("Images")
        box.setToolTip("Rejected images and those without labels are never exported.")
        for name, statuses in CHOICES:
            box.addItem(f"{name} ({_n_images(self._project, statuses):,})", statuses)
        box.setCurrentIndex(first)
        box.activated.connect(self._on_images_chosen)
        return box

    def _on_images_chosen(self) -> None:
        self.stop_checking()
        self.source = source_of(self._project, self.images.currentData())
        self.check_soon()


def source_of(project: Project, statuses: Sequence[Status]) -> SetSource:
    """The annotations of all images with these statuses; made once as long as memory allows."""
    annotations = project.annotations(statuses)
    entries = [entry.source for entry in project.images() if entry.status in statuses]
    return SetSource(Remembered(annotations), len(annotations), sources=entries)


def export_dialog(
    project: Project, wish: ExportWish, folder: Path, window: QWidget
) -> ExportDialog:
    """The dialog in which a project is exported.

    Parameters
    ----------
    project : Project
        Some of its images have labels, see `Projects.why_not_exported`.
    wish : ExportWish
        What was chosen last.
    folder : Path
        Where the file is proposed.
    window : QWidget
        Its parent.
    """
    form = ProjectForm(project)
    form.show_wish(wish)
    path = renamed(folder / project.path.stem, form.format, many=True)
    return ExportDialog(form, wish=form.wish, path=path, parent=window)


def _n_images(project: Project, statuses: Sequence[Status]) -> int:
    counts = Counter(entry.status for entry in project.images())
    return sum(counts[status] for status in statuses)
