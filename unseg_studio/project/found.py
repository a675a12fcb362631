"""What trained models found in the images of a project, and how images follow the names of it.

    naming -> shown ids -> labels of the document, what was accepted, and the note about both

Each image follows in one transaction. What is open follows in the thread of its document.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial

from unseg_studio.data import Category, Mosaic
from unseg_studio.document import Document, Record, State
from unseg_studio.document.history import NAMES_OF_PROJECT, Step
from unseg_studio.project import accepted, findings, shelf
from unseg_studio.project.database import Connection, Database
from unseg_studio.project.entries import ImageEntry
from unseg_studio.project.findings import Finding
from unseg_studio.project.held import HeldDocuments
from unseg_studio.project.naming import following
from unseg_studio.project.shelf import Shelf
from unseg_studio.project.trained import TrainedModels
from unseg_studio.project.writer import Writer
from unseg_studio.segmenters.models import digest_in

Note = Callable[[Connection], None]
"""Writes down what was found in an image."""


class FoundClusters:
    """Keeps which cluster each pixel was proposed as; see `Project.found`.

    Parameters
    ----------
    store, writer : Database, Writer
        Of the project.
    held : HeldDocuments
        What is open.
    trained : TrainedModels
        How clusters are named.
    entries : callable
        The images of the project as they are now.
    table : callable
        Its categories as they are now.
    """

    def __init__(
        self,
        store: Database,
        writer: Writer,
        held: HeldDocuments,
        trained: TrainedModels,
        *,
        entries: Callable[[], Mapping[int, ImageEntry]],
        table: Callable[[], tuple[Category, ...]],
    ) -> None:
        self._database, self._writer = store, writer
        self._held, self._trained = held, trained
        self._entries, self._table = entries, table

    def all(self, model: str) -> tuple[Finding, ...]:
        """What a model found in each image that it proposed labels for, without the labels."""
        self._writer.flush()
        with self._database.reading() as connection:
            found = findings.all_of(connection, model)
        return tuple(finding for finding in found if finding.image in self._entries())

    def one(self, model: str, image: int) -> Finding | None:
        """What a model found in one image; None where it proposed nothing."""
        self._writer.flush()
        with self._database.reading() as connection:
            return findings.one_of(connection, model, image)

    def labels(self, finding: Finding) -> Mosaic:
        """Which cluster each pixel of an image was proposed as.

        Raises
        ------
        DamagedError
            If that cannot be read.
        """
        with self._database.reading() as connection:
            return findings.labels_of(connection, finding)

    def keep(self, model: str, finding: Finding, labels: Mosaic) -> None:
        """Keep other clusters of an image, such as after they were cut."""
        self._writer.run(lambda connection: findings.put(connection, model, finding, labels))

    def adopt(self, model: str, image: int) -> None:
        """Keep the clusters of a proposal that was made when nobody kept them.

        What a person has worked on is left out: ids of clusters may be others there by now.

        Raises
        ------
        DamagedError
            If it cannot be read.
        """
        taken = shelf.take_labels(self._database, image, categories=self._table())
        if taken is None or taken.record.steps:
            return
        naming = self._trained.naming(model)
        meant = {name: id_ for id_, name in sorted(naming.names.items(), reverse=True) if name}
        proposal = taken.record.state.proposal
        for category, id_ in meant.items():
            proposal = proposal.replaced(category, id_)
        labels = findings.clusters_of(proposal)
        areas = findings.areas_of(labels)
        shown = {id_: naming.shown(id_) for id_ in areas}
        if areas:
            self.keep(model, Finding(image, labels.shape, areas, shown=shown), labels)

    # Images that follow

    def named(
        self, image: int, state: State, doubts: Mapping[int, float] | None = None
    ) -> tuple[State, Note]:
        """What was proposed for an image, its clusters called what they were named once.

        Parameters
        ----------
        image : int
            Which image.
        state : State
            With clusters as its method has found them.
        doubts : mapping of int to float or None
            How much in doubt each cluster is, 0 to 1; None: as far as the state says it.

        Returns
        -------
        (State, callable)
            The callable writes down which clusters they were; of a method that was not trained,
            that there are none.
        """
        model = digest_in(state.segmenter)
        labels = findings.clusters_of(state.proposal)
        areas = findings.areas_of(labels) if model else {}
        if not areas:
            return state, partial(findings.forget, image=image)
        naming = self._trained.naming(model)
        if doubts is None:
            doubts = findings.doubts_of(labels, state.uncertainty)
        shown = {id_: naming.shown(id_) for id_ in areas}
        finding = Finding(image, labels.shape, areas, dict(doubts), shown=shown)
        state = following(state, labels, {id_: id_ for id_ in areas}, shown)
        return state, lambda connection: findings.put(connection, model, finding, labels)

    def name(self, image: int, document: Document) -> None:
        """Call what a trained model has found in a document what it is called in all images.

        Where clusters of the image have names already, these stay.
        """
        if not digest_in(document.segmenter) or not document.state.named.is_empty:
            return
        self._database.require_writable()
        state, note = self.named(image, document.state)
        document.follow_names(state)
        self._held.put(image, document.record, note)

    def follow(self, model: str, finding: Finding, shown: Mapping[int, int]) -> bool:
        """Show the clusters of an image under other ids, in one transaction.

        Parameters
        ----------
        model : str
            Whose clusters they are; where the image was segmented by another one since, nothing
            but the note about it changes.
        finding : Finding
            Of the image, as it is kept.
        shown : mapping of int to int
            Cluster -> id, of all that are in the image.

        Returns
        -------
        bool
            False where its document is open; then it is for `follow_open`.

        Raises
        ------
        DamagedError, OSError
            If its labels cannot be read, or the file not written.
        """
        return self._held.change(finding.image, partial(self._follow, model, finding, shown))

    def follow_open(self, model: str, finding: Finding, shown: Mapping[int, int]) -> None:
        """The same for an image whose document is open, in the thread of that document."""
        document = self._held.of(finding.image)
        if document is None:
            self.follow(model, finding, shown)
            return
        if digest_in(document.segmenter) == model:
            labels = self.labels(finding)
            document.follow_names(following(document.state, labels, finding.shown, shown))
        record, told = document.record, replace(finding, shown=dict(shown))

        def also(connection: Connection) -> None:
            self._accept_again(connection, finding.image, record.state.shown)
            findings.tell(connection, told)

        self._held.put(finding.image, record, also)

    def _follow(
        self, model: str, finding: Finding, shown: Mapping[int, int], connection: Connection
    ) -> None:
        findings.tell(connection, replace(finding, shown=dict(shown)))
        taken = shelf.take_labels(self._database, finding.image, categories=self._table())
        if taken is None or digest_in(taken.record.state.segmenter) != model:
            return
        record, labels = taken.record, findings.labels_of(connection, finding)
        state = following(record.state, labels, finding.shown, shown)
        if state is not record.state:
            Shelf(finding.image, record).put(connection, _stepped(record, state))
            self._accept_again(connection, finding.image, state.shown)

    def _accept_again(self, connection: Connection, image: int, labels: Mosaic) -> None:
        """Of an image that is done, what was accepted follows, too."""
        entry = self._entries().get(image)
        kept = accepted.take(self._database, image)
        if entry is not None and entry.status == "done" and kept is not None:
            accepted.put(connection, image, labels, made=kept[1])


def _stepped(record: Record, state: State) -> Record:
    """The record with a state after it; where a person has worked, undo goes back from there."""
    if not record.steps:
        return Record(state, record.steps, record.n_done)
    step = Step.between(NAMES_OF_PROJECT, record.state, state)
    return Record(state, (*record.steps[: record.n_done], step), record.n_done + 1)
