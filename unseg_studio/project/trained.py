"""The trained models of a project, and what their clusters are called in all of its images."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from unseg_studio.project.database import Connection, Database
from unseg_studio.project.writer import Writer
from unseg_studio.segmenters import Segmenter, make_segmenter
from unseg_studio.segmenters.models import Model, keep, of_bytes
from unseg_studio.segmenters.training import parameters_of

IGNORED = 0
"""In place of a category: the cluster is nothing."""


@dataclass(frozen=True)
class TrainedModel:
    """One model of a project, as lists show it.

    Parameters
    ----------
    digest : str
        Its name for segmenters, see `Model.digest`.
    name : str
        Its name for people.
    method : str
        A key of `SEGMENTERS`.
    parameters, facts : dict
        As in `Model`.
    """

    digest: str
    name: str
    method: str
    parameters: Mapping[str, Any]
    facts: Mapping[str, Any]

    @property
    def segmenter(self) -> Segmenter:
        """What proposes with it.

        Raises
        ------
        ValueError
            If the method or a parameter is not known here.
        """
        return make_segmenter(self.method, None, **{**self.parameters, "model": self.digest})


class TrainedModels:
    """Stores and lists them; see `Project.trained`."""

    def __init__(self, store: Database, writer: Writer) -> None:
        self._database, self._writer = store, writer

    def all(self) -> tuple[TrainedModel, ...]:
        """Those that there are, the oldest first."""
        query = "SELECT digest, name, method, parameters, facts FROM models ORDER BY place"
        with self._database.reading() as connection:
            rows = connection.execute(query).fetchall()
        return tuple(
            TrainedModel(digest, name, method, _plain(parameters), _plain(facts))
            for digest, name, method, parameters, facts in rows
        )

    def named(self, name: str) -> TrainedModel:
        """The one with this name, or whose digest begins like that; the newest of several.

        Raises
        ------
        ValueError
            If there is none; lists those that there are.
        """
        known = self.all()
        fits = [m for m in known if m.name == name or (len(name) > 5 and m.digest.startswith(name))]
        if not fits:
            there = ", ".join(repr(m.name) for m in known) or "none yet"
            raise ValueError(
                f"The project has no model {name!r}; it has {there}. Train one, or choose another."
            )
        return fits[-1]

    def add(self, model: Model, name: str = "") -> TrainedModel:
        """Take a model into the project; one that is there already stays as it is."""
        number = 1 + sum(known.method == model.method for known in self.all())
        name = name or f"{model.method} {number}"
        row = (
            model.digest, name, model.method, json.dumps(dict(model.parameters)),
            json.dumps(dict(model.facts)), model.to_bytes(),
        )  # fmt: skip
        self._writer.run(
            lambda connection: connection.execute(
                "INSERT OR IGNORE INTO models (digest, name, method, parameters, facts, data) "
                "VALUES (?, ?, ?, ?, ?, ?)",
                row,
            )
        )
        return next(known for known in self.all() if known.digest == model.digest)

    def rename(self, digest: str, name: str) -> None:
        """Call a model something else."""
        self._do("UPDATE models SET name = ? WHERE digest = ?", (name, digest))

    def remove(self, digest: str) -> None:
        """Take a model out of the project; labels that it made stay."""
        self._do("DELETE FROM models WHERE digest = ?", (digest,))

    def model(self, digest: str) -> Model:
        """All of a model.

        Raises
        ------
        ValueError
            If there is none of this digest, or it is damaged.
        """
        with self._database.reading() as connection:
            row = connection.execute(
                "SELECT name, data FROM models WHERE digest = ?", (digest,)
            ).fetchone()
        if row is None:
            raise ValueError(f"The project has no model {digest[:12]}; train one.")
        return of_bytes(bytes(row[1]), f"The model {row[0]!r}")

    def provide(self, segmenter: Segmenter) -> None:
        """Put the model of a segmenter where all processes find it, if the project has it.

        Raises
        ------
        ValueError
            If it is damaged.
        """
        digest = getattr(segmenter, "model", "")
        if digest and any(known.digest == digest for known in self.all()):
            keep(self.model(digest))

    # Trainings that have not ended

    def unfinished(self, segmenter: Segmenter) -> Model | None:
        """What a training of this method, with these parameters, has left to go on from."""
        with self._database.reading() as connection:
            row = connection.execute(
                "SELECT data FROM trainings WHERE method = ?", (segmenter.name,)
            ).fetchone()
        if row is None:
            return None
        try:
            model = of_bytes(bytes(row[0]), "The training that was broken off")
        except ValueError:
            return None
        return model if model.parameters == parameters_of(segmenter) else None

    def keep_unfinished(self, model: Model) -> None:
        """Keep what a training can be gone on with, in place of an older one of the method."""
        self._do("INSERT OR REPLACE INTO trainings VALUES (?, ?)", (model.method, model.to_bytes()))

    def end_unfinished(self, method: str) -> None:
        """Nothing of this method is to be gone on with."""
        self._do("DELETE FROM trainings WHERE method = ?", (method,))

    # Naming once

    def names(self, digest: str) -> dict[int, int]:
        """Category, or `IGNORED`, of each cluster id of a model that was named."""
        query = "SELECT cluster, category FROM names WHERE model = ?"
        with self._database.reading() as connection:
            return dict(connection.execute(query, (digest,)).fetchall())

    def set_name(self, digest: str, cluster: int, category: int | None) -> None:
        """Say which category a cluster is in all images; None: none yet."""
        self._do("DELETE FROM names WHERE model = ? AND cluster = ?", (digest, cluster))
        if category is not None:
            self._do("INSERT INTO names VALUES (?, ?, ?)", (digest, cluster, category))

    def _do(self, statement: str, values: tuple[object, ...]) -> None:
        def job(connection: Connection) -> None:
            connection.execute(statement, values)

        self._writer.run(job)


def _plain(text: object) -> dict[str, Any]:
    try:
        found = json.loads(str(text))
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
