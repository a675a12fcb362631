"""The clusters of a project's models side by side, to be named once for all images."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any

from qtpy.QtCore import QEvent, QRect, QSize, Qt
from qtpy.QtGui import QColor, QIcon, QKeySequence, QPainter, QPixmap
from qtpy.QtWidgets import (
    QAbstractItemView,
    QCheckBox,
    QComboBox,
    QDialog,
    QHeaderView,
    QLabel,
    QProgressBar,
    QPushButton,
    QStackedWidget,
    QTreeWidget,
    QTreeWidgetItem,
    QWidget,
)

from unseg_studio.app.errand import Errand
from unseg_studio.app.faults import message_of
from unseg_studio.app.message_bar import Message, MessageBar
from unseg_studio.app.preview import qimage
from unseg_studio.data import FIRST_CLUSTER, Category, new_category
from unseg_studio.project import Project
from unseg_studio.project.batch import propose, unproposed
from unseg_studio.project.gallery import (
    N_THUMBNAILS,
    THUMBNAIL,
    Cluster,
    Gallery,
    Progress,
    Thumbnail,
)
from unseg_studio.project.inheriting import Inherited, ancestor, inherit
from unseg_studio.project.naming import FIRST_PART
from unseg_studio.project.trained import IGNORED, TrainedModel
from unseg_studio.widgets.colors import cluster_rgb
from unseg_studio.widgets.icons import swatch
from unseg_studio.widgets.keys import with_key
from unseg_studio.widgets.layout import button, column, row, words

GAP = 3
STRIP = QSize(N_THUMBNAILS * (THUMBNAIL + GAP) - GAP, THUMBNAIL)
"""Of the thumbnails of a cluster, beside each other."""

HEADS = ("Cluster", "Where it is", "Area", "Images", "Uncertainty")
PLACE, AREA = 1, 2
EMPTY = 1
"""The page with words instead of clusters."""

NO_MODEL = (
    "<p><b>There are no clusters yet that all images share.</b></p>"
    "<p>First train a model: <b>Project &gt; Train on this project</b> learns one set of clusters "
    "from all images. Then let it propose labels, here. After that, each cluster is named once."
    "</p>"
)
NO_PROPOSALS = (
    "<p><b>{name} has not proposed labels for any image yet.</b></p>"
    "<p>Press <b>Propose labels</b>, and its clusters are here. Images that a person has worked "
    "on stay as they are, and so does the one that is open.</p>"
)
NOTHING_NEW = (
    "Every image has labels of this model, was worked on by a person, or is open in the window."
)
WAIT = "Wait until the images have followed, or cancel."
SELECT = "Select a cluster first."
SELECT_TWO = "Select two clusters or more (Ctrl and a click)."


@dataclass(frozen=True)
class View:
    """What the dialog shows, as it was read beside the GUI thread.

    Parameters
    ----------
    clusters : tuple of Cluster
        The largest first.
    n_images : int
        Images that the model proposed labels for.
    n_waiting : int
        Those among them that do not follow yet.
    undo_text : str
        What can be taken back; empty where there is nothing.
    ancestor : TrainedModel or None
        A model whose names could be taken.
    unproposed : tuple of int
        Images that it could propose labels for.
    """

    clusters: tuple[Cluster, ...]
    n_images: int
    n_waiting: int
    undo_text: str
    ancestor: TrainedModel | None
    unproposed: tuple[int, ...]

    @classmethod
    def of(cls, gallery: Gallery) -> View:
        """What is true now."""
        named, project = gallery.naming.names, gallery.project
        new = unproposed(project, gallery.model.segmenter)
        return cls(
            gallery.clusters(), gallery.n_images, len(gallery.waiting()), gallery.undo_text,
            None if named else ancestor(project, gallery.model),
            tuple(image for image in new if image not in project.open_images),
        )  # fmt: skip


class ClusterRow(QTreeWidgetItem):
    """One cluster; sorted by what its columns mean, not by how they are written.

    Parameters
    ----------
    cluster : Cluster
        Which one.
    categories : sequence of Category
        Of the project.
    """

    def __init__(self, cluster: Cluster, categories: Sequence[Category]) -> None:
        super().__init__()
        self.cluster = cluster
        self._name, color = _name_and_color(cluster, categories)
        doubt = "not known" if cluster.doubt is None else f"{cluster.doubt:.0%}"
        texts = (self._name, "", _percent(cluster.share), f"{len(cluster.images):,}", doubt)
        for place, text in enumerate(texts):
            self.setText(place, text)
            if place >= AREA:
                self.setTextAlignment(
                    place, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
                )
        self.setIcon(0, swatch(color))
        self.setToolTip(0, _tip(cluster))
        self.setSizeHint(PLACE, QSize(STRIP.width() + 12, STRIP.height() + 8))
        if not cluster.images:
            self.setText(PLACE, "nowhere now")

    def show_places(self, strip: QPixmap) -> None:
        """Show where it is."""
        picture = QIcon(strip)
        picture.addPixmap(strip, QIcon.Mode.Selected)
        self.setIcon(PLACE, picture)

    def __lt__(self, other: QTreeWidgetItem) -> bool:
        tree = self.treeWidget()
        place = tree.sortColumn() if tree is not None else AREA
        assert isinstance(other, ClusterRow)
        return bool(self._keys[place] < other._keys[place])

    @property
    def _keys(self) -> tuple[Any, ...]:
        cluster = self.cluster
        doubt = -1.0 if cluster.doubt is None else cluster.doubt
        return (self._name.casefold(), cluster.share, cluster.share, len(cluster.images), doubt)


class GalleryDialog(QDialog):
    """Every cluster of a model with thumbnails, and what can be said of it once for all images.

    Parameters
    ----------
    project : Project
        Whose models.
    parent : QWidget
        The window.
    """

    def __init__(self, project: Project, parent: QWidget) -> None:
        super().__init__(parent)
        self._project = project
        self._errand, self._looking = Errand(self), Errand(self)
        self._view: View | None = None
        self._strips: dict[tuple[object, ...], dict[int, QPixmap]] = {}
        self._problems: dict[str, None] = {}
        self.bar = MessageBar()
        self.model = self._make_models()
        self.summary = QLabel()
        self.list = self._make_list()
        self.empty = words()
        self.pages = QStackedWidget()
        self.category = self._make_field()
        self.accepted_too = QCheckBox("Accepted images follow, too")
        self.accepted_too.setToolTip(
            "Without this, what a person has accepted stays as it is. Corrections, scribbles and "
            "locked categories stay in any case."
        )
        self.name_button = self._make_button("Name", self.name, "name", "Ctrl+Return")
        self.merge_button = self._make_button("Merge", self.merge, "merge", "Ctrl+M")
        self.split_button = self._make_button("Split", self.split, "split", "Ctrl+D")
        self.ignore_button = self._make_button("Ignore", self.ignore, "reject", "Del")
        self.undo_button = self._make_button("Undo", self.undo, "undo", "Ctrl+Z")
        self.inherit_button = self._make_button("Take names", self.inherit, "", "")
        self._stage, self.stage = "", QLabel()
        self.propose_button = self._make_button("Propose labels", self.propose, "run", "")
        self.progress = QProgressBar()
        self.progress.setTextVisible(False)
        self.progress.setMaximumWidth(180)
        self.cancel = button("Cancel", "The images that are left follow the next time", self._stop)
        self._lay_out()
        self._errand.stepped.connect(self._on_step)
        self._looking.stepped.connect(self._on_thumbnail)
        self.list.itemSelectionChanged.connect(self._on_selected)
        self.model.activated.connect(lambda _: self._begin())
        self._begin()

    @property
    def gallery(self) -> Gallery | None:
        """Of the model that is chosen; None where there is no model."""
        model = self.model.currentData()
        return None if model is None else Gallery(self._project, model)

    @property
    def is_busy(self) -> bool:
        """Images are being brought up to date, or read."""
        return self._errand.is_busy or self._looking.is_busy

    @property
    def selected(self) -> tuple[Cluster, ...]:
        """Those that are selected, the largest first."""
        rows = [row for row in self.list.selectedItems() if isinstance(row, ClusterRow)]
        return tuple(
            sorted((row.cluster for row in rows), key=lambda cluster: -cluster.share)
        )  # fmt: skip

    # What the person does

    def name(self) -> None:
        """Give the selected clusters the category in the field, a new one where it has none."""
        text = self.category.currentText().strip()
        if not text:
            self.category.setFocus()
            self.bar.tell(Message("Type a name, or choose a category; then press Name.",
                                  grade="info"))  # fmt: skip
            return
        ids = [cluster.id for cluster in self.selected]
        category = self._category_of(text)
        self._say(lambda gallery: gallery.name(ids, category))

    def merge(self) -> None:
        """The selected clusters are one from now on."""
        ids = [cluster.id for cluster in self.selected]
        self._say(lambda gallery: gallery.merge(ids))

    def ignore(self) -> None:
        """The selected clusters are nothing."""
        ids = [cluster.id for cluster in self.selected]
        self._say(lambda gallery: gallery.name(ids, IGNORED))

    def undo(self) -> None:
        """Take back what was said last."""
        self._say(lambda gallery: gallery.undo())

    def split(self) -> None:
        """Cut the selected cluster in two."""
        gallery, (cluster, *_) = self.gallery, self.selected
        if gallery is not None:
            self._run(gallery, lambda: gallery.split(cluster.id), "Looking at what is in it")

    def inherit(self) -> None:
        """Take the names of an earlier model."""
        gallery, view = self.gallery, self._view
        if gallery is None or view is None or view.ancestor is None:
            return
        old = view.ancestor

        def course() -> Generator[Any, None, None]:
            found = yield from inherit(self._project, old, gallery.model)
            yield found

        self._run(gallery, course, f"Comparing with {old.name}")

    def propose(self) -> None:
        """Let the model propose labels for all images that it has not seen."""
        gallery, view = self.gallery, self._view
        if gallery is None or view is None:
            return
        images, segmenter = view.unproposed, gallery.model.segmenter

        def course() -> Generator[Progress, None, None]:
            with closing(propose(self._project, segmenter, images)) as outcomes:
                for number, outcome in enumerate(outcomes):
                    yield Progress(number + 1, len(images), outcome.problem)

        self._run(gallery, course, "Proposing labels")

    def reject(self) -> None:
        """Close; images that are left follow the next time."""
        self._looking.forget()
        self._errand.forget()
        super().reject()

    def changeEvent(self, event: QEvent) -> None:
        """Draw the colours again with another palette."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange and hasattr(self, "_view") and self._view:
            self._fill(self._view)

    # How it is done

    def _category_of(self, name: str) -> int:
        """The category of this name, which is made where there is none."""
        table = self._project.categories
        known = next((category for category in table if category.name == name), None)
        if known is None:
            known = new_category(table, name, "stuff")
            self._project.set_categories((*table, known))
        return known.id

    def _say(self, what: Callable[[Gallery], None]) -> None:
        """Something small that is written at once, and that all images follow."""
        gallery = self.gallery
        if gallery is None:
            return

        def course() -> Iterator[Any]:
            what(gallery)
            yield from ()

        self._run(gallery, course, "Images follow")

    def _begin(self) -> None:
        """Read the clusters of the model that is chosen, and go on where images were left."""
        gallery = self.gallery
        self._looking.forget()
        self._strips.clear()
        self.bar.hide()
        if gallery is None:
            self._show_empty(NO_MODEL)
            self._refresh()
            return
        first = (lambda: iter(())) if self._project.read_only else gallery.adopt
        self._run(gallery, first, "Reading clusters")

    def _run(self, gallery: Gallery, first: Callable[[], Iterable[Any]], stage: str) -> None:
        """Do something, have all images follow, and show what is so then."""
        accepted, read_only = self.accepted_too.isChecked(), self._project.read_only
        self._looking.forget()
        self._problems.clear()

        def course() -> Generator[Any, None, View]:
            yield from first()
            if not read_only:
                yield from gallery.follow(accepted=accepted)
            return View.of(gallery)

        self._stage = stage
        self.stage.setText(f"{stage} …")
        self.progress.setRange(0, 0)
        self._errand.run(course, self._on_done, self._on_failed)
        self._refresh()

    def _stop(self) -> None:
        self._errand.stop()

    def _on_step(self, step: Any) -> None:
        if isinstance(step, Inherited):
            self._tell_inherited(step)
            return
        self.stage.setText(f"{self._stage} … {step.done:,} of {step.total:,} images")
        self.progress.setRange(0, step.total)
        self.progress.setValue(step.done)
        if step.problem:
            self._problems[step.problem] = None

    def _on_done(self, view: View | None) -> None:
        gallery = self.gallery
        if gallery is not None and not self._project.read_only:
            n_open = gallery.follow_open(accepted=self.accepted_too.isChecked())
            if view is not None:
                view = replace(view, n_waiting=max(0, view.n_waiting - n_open))
        if view is not None:
            self._fill(view)
        elif gallery is not None:  # it was broken off
            self._read(gallery)
        self._tell_problems()

    def _read(self, gallery: Gallery) -> None:
        """Show what is so, without doing anything."""

        def course() -> Generator[Any, None, View]:
            yield from ()
            return View.of(gallery)

        self._errand.run(course, self._fill, lambda error: self.bar.tell(message_of(error)))

    def _on_failed(self, error: Exception) -> None:
        self.bar.tell(message_of(error))
        gallery = self.gallery
        if gallery is not None:
            self._read(gallery)

    def _tell_inherited(self, found: Inherited) -> None:
        n, gone = len(found.names), len(found.gone)
        rest = f" {gone} had nobody to take theirs." if gone else ""
        self.bar.tell(Message(f"{n} cluster{'s' * (n != 1)} took a name.{rest}", grade="info"))

    def _tell_problems(self) -> None:
        if not self._problems:
            return
        n, first = len(self._problems), next(iter(self._problems))
        rest = f" {n - 1} more could not be read." if n > 1 else ""
        self.bar.tell(Message(f"{first}{rest}", "\n".join(self._problems) if rest else ""))

    # What is shown

    def _fill(self, view: View) -> None:
        self._view = view
        chosen = {cluster.id for cluster in self.selected}
        self.list.setSortingEnabled(False)
        self.list.clear()
        categories = self._project.categories
        for cluster in view.clusters:
            item = ClusterRow(cluster, categories)
            self.list.addTopLevelItem(item)
            item.setSelected(cluster.id in chosen)
            if _key(cluster) in self._strips:
                item.show_places(_strip(cluster, self._strips[_key(cluster)]))
        self.list.setSortingEnabled(True)
        self._fill_field()
        if view.clusters:
            self.pages.setCurrentWidget(self.list)
        else:
            self._show_empty(NO_PROPOSALS.format(name=self.model.currentText()))
        self._refresh()
        self._look(view)

    def _look(self, view: View) -> None:
        """Make the thumbnails that are not there yet."""
        gallery = self.gallery
        lacking = [cluster for cluster in view.clusters if _key(cluster) not in self._strips]
        if gallery is None or not lacking:
            return

        def course() -> Generator[Thumbnail, None, None]:
            yield from gallery.thumbnails(lacking)

        self._looking.run(course, lambda _: self._tell_problems(), self._on_failed_to_look)

    def _on_thumbnail(self, found: Thumbnail) -> None:
        if found.rgb is None:
            self._problems[found.problem] = None
            return
        for item in self._items():
            if item.cluster.id == found.cluster:
                places = self._strips.setdefault(_key(item.cluster), {})
                places[found.image] = QPixmap.fromImage(qimage(found.rgb))
                item.show_places(_strip(item.cluster, places))

    def _on_failed_to_look(self, error: Exception) -> None:
        self.bar.tell(message_of(error))

    def _items(self) -> list[ClusterRow]:
        items = (self.list.topLevelItem(n) for n in range(self.list.topLevelItemCount()))
        return [item for item in items if isinstance(item, ClusterRow)]

    def _show_empty(self, text: str) -> None:
        self.empty.setText(text)
        self.pages.setCurrentIndex(EMPTY)

    def _fill_field(self) -> None:
        text = self.category.currentText()
        self.category.clear()
        for category in self._project.categories:
            self.category.addItem(swatch(category.color), category.name)
        self.category.setCurrentIndex(self.category.findText(text))
        self.category.setCurrentText(text)

    def _on_selected(self) -> None:
        selected = self.selected
        if len(selected) == 1 and selected[0].name:
            names = {category.id: category.name for category in self._project.categories}
            self.category.setCurrentText(names.get(selected[0].name, ""))
        self._refresh()

    def _refresh(self) -> None:
        """Say of each button whether it can be used, and why not."""
        busy, n = self._errand.is_busy, len(self.selected)
        why = self._why_not()
        none = why or ("" if n else SELECT)
        self._allow(self.name_button, none, "All images show it as this category")
        self._allow(self.merge_button, why or ("" if n > 1 else SELECT_TWO),
                    "They are one cluster from now on, in all images")  # fmt: skip
        one = "Select one cluster: one at a time is split." if n != 1 else ""
        self._allow(self.split_button, why or one,
                    "Cut it in two by what its places look like; the smaller part is a new one "
                    "without a name")  # fmt: skip
        self._allow(self.ignore_button, none, "All images show nothing there")
        undo = self._view.undo_text if self._view else ""
        self._allow(self.undo_button, why or ("" if undo else "There is nothing to take back."),
                    f"Take back: {undo}")  # fmt: skip
        new = self._view.unproposed if self._view else ()
        self._allow(
            self.propose_button,
            self._why_not_changed() or ("" if new else NOTHING_NEW),
            f"The model labels {_images(len(new))}, by the names given here",
        )
        old = self._view.ancestor if self._view else None
        self.inherit_button.setVisible(old is not None)
        if old is not None:
            self.inherit_button.setText(f"Take names of {old.name}")
            self._allow(self.inherit_button, self._why_not_changed(),
                        "Clusters that overlap those of that model are named alike")  # fmt: skip
        for widget in (self.stage, self.progress, self.cancel):
            widget.setVisible(busy)
        self.category.setEnabled(not why)
        self.accepted_too.setEnabled(not why)
        self.model.setEnabled(not busy and self.model.count() > 0)
        self.summary.setText(self._counts())

    def _why_not_changed(self) -> str:
        if self._project.read_only:
            return self._project.notice or "The project is open for reading only."
        if self._errand.is_busy:
            return WAIT
        return "" if self.model.count() else "There is no model yet; train one first."

    def _why_not(self) -> str:
        if why := self._why_not_changed():
            return why
        return "" if self._view and self._view.clusters else "There is no cluster yet."

    def _allow(self, push: QPushButton, why_not: str, tip: str) -> None:
        push.setEnabled(not why_not)
        keys = push.shortcut().toString(QKeySequence.SequenceFormat.NativeText)
        push.setToolTip(why_not or with_key(f"{tip}.", keys))

    def _counts(self) -> str:
        view = self._view
        if view is None or not view.clusters:
            return ""
        n_named = sum(cluster.name is not None for cluster in view.clusters)
        text = f"{len(view.clusters)} clusters in {_images(view.n_images)}, {n_named} named"
        return text + (f"; still to follow: {view.n_waiting:,}" if view.n_waiting else "")

    # Parts

    def _make_models(self) -> QComboBox:
        box = QComboBox()
        box.setAccessibleName("Model")
        box.setToolTip("Whose clusters are shown; the newest model comes first.")
        for model in reversed(self._project.trained.all()):
            box.addItem(model.name, model)
        box.setMinimumContentsLength(16)
        return box

    def _make_list(self) -> QTreeWidget:
        tree = QTreeWidget()
        tree.setHeaderLabels(HEADS)
        tree.setAccessibleName("Clusters")
        tree.setRootIsDecorated(False)
        tree.setUniformRowHeights(True)
        tree.setIconSize(STRIP)
        tree.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        tree.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        tree.setSortingEnabled(True)
        tree.sortByColumn(AREA, Qt.SortOrder.DescendingOrder)
        head = tree.header()
        head.setStretchLastSection(False)
        head.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        head.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        return tree

    def _make_field(self) -> QComboBox:
        field = QComboBox()
        field.setEditable(True)
        field.setInsertPolicy(QComboBox.InsertPolicy.NoInsert)
        field.setAccessibleName("Category")
        field.setToolTip("A category of the project, or the name of a new one; Enter names.")
        field.setMinimumContentsLength(16)
        edit = field.lineEdit()
        assert edit is not None
        edit.setPlaceholderText("Category")
        edit.returnPressed.connect(lambda: self.name_button.click())
        return field

    def _make_button(
        self, text: str, pressed: Callable[[], None], picture: str, keys: str
    ) -> QPushButton:
        made = button(text, text, pressed, picture=picture)
        if keys:
            made.setShortcut(QKeySequence(keys))
        return made

    def _lay_out(self) -> None:
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle("Clusters of the project")
        page = QWidget()
        inside = column(page, self.empty, margin=24)
        inside.addStretch(1)
        self.pages.addWidget(self.list)
        self.pages.addWidget(page)
        self._fill_field()
        close = button("Close", "Back to the window", self.reject)
        head = QLabel("Model"), self.model, self.propose_button, self.inherit_button
        layout = column(
            self,
            self.bar,
            row(*head, self.summary),
            self.pages,
            row(self.category, self.name_button, self.merge_button, self.split_button,
                self.ignore_button, self.undo_button),
            self.accepted_too,
            row(self.progress, self.cancel, self.stage, QLabel(), close, stretch=3),
            margin=12,
        )  # fmt: skip
        layout.setStretch(2, 1)
        self.resize(880, 620)


def _key(cluster: Cluster) -> tuple[object, ...]:
    """What its thumbnails depend on."""
    return (*cluster.members, *cluster.images[:N_THUMBNAILS], round(cluster.share, 6))


def _strip(cluster: Cluster, places: Mapping[int, QPixmap]) -> QPixmap:
    """Thumbnails by their images beside each other, first that where the cluster covers most."""
    strip = QPixmap(STRIP)
    strip.fill(QColor(Qt.GlobalColor.transparent))
    painter = QPainter(strip)
    shown = [image for image in cluster.images if image in places][:N_THUMBNAILS]
    for number, image in enumerate(shown):
        left = number * (THUMBNAIL + GAP)
        painter.drawPixmap(QRect(left, 0, THUMBNAIL, THUMBNAIL), places[image])
    painter.end()
    return strip


def _name_and_color(cluster: Cluster, categories: Sequence[Category]) -> tuple[str, str]:
    if cluster.name == IGNORED:
        return "ignored", "#808080"
    for category in categories:
        if category.id == cluster.name:
            return category.name, category.color
    number = cluster.id - (FIRST_PART if cluster.id >= FIRST_PART else FIRST_CLUSTER) + 1
    kind = "part" if cluster.id >= FIRST_PART else "cluster"
    more = f" + {len(cluster.members) - 1}" if len(cluster.members) > 1 else ""
    return f"{kind} {number}{more}", "#{:02x}{:02x}{:02x}".format(*cluster_rgb(cluster.id))


def _tip(cluster: Cluster) -> str:
    merged = len(cluster.members) - 1
    more = f", with {merged} merged into it" if merged else ""
    return f"Cluster {cluster.id}{more}. Its name is that of all images."


def _images(n: int) -> str:
    return f"{n:,} image{'s' * (n != 1)}"


def _percent(share: float) -> str:
    return f"{share:.1%}" if share >= 0.001 or share == 0 else "< 0.1%"
