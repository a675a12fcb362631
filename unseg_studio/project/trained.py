"""The trained models of a project, and what their clusters are called in all of its images."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from unseg_studio.project.database import Connection, Database
from unseg_studio.project.naming import FIRST_PART, IGNORED, Naming
from unseg_studio.project.writer import Writer
from unseg_studio.segmenters import Segmenter, make_segmenter
from unseg_studio.segmenters.models import Model, digest_in, keep, of_bytes, told_in
from unseg_studio.segmenters.training import parameters_of

__all__ = ["IGNORED", "TrainedModel", "TrainedModels"]

MOST_STEPS = 100
"""Of naming that can be taken back, for each model."""


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


@dataclass(frozen=True)
class BrokenOff:
    """A training that can be gone on with: its method, parameters, and steps that were taken."""

    method: str
    parameters: Mapping[str, Any]
    n_steps: int


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
        digest = digest_in(segmenter)
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

    def left(self) -> tuple[BrokenOff, ...]:
        """Trainings that can be gone on with."""
        with self._database.reading() as connection:
            rows = connection.execute("SELECT data FROM trainings").fetchall()
        found: list[BrokenOff] = []
        for (data,) in rows:
            with suppress(ValueError):
                method, parameters, facts = told_in(bytes(data), "The training")
                found.append(BrokenOff(method, parameters, int(facts.get("n_steps", 0))))
        return tuple(found)

    def keep_unfinished(self, model: Model) -> None:
        """Keep what a training can be gone on with, in place of an older one of the method."""
        self._do("INSERT OR REPLACE INTO trainings VALUES (?, ?)", (model.method, model.to_bytes()))

    def end_unfinished(self, method: str) -> None:
        """Nothing of this method is to be gone on with."""
        self._do("DELETE FROM trainings WHERE method = ?", (method,))

    # Naming once

    def naming(self, digest: str) -> Naming:
        """All that was said of the clusters of a model: names, merged ones, cuts."""
        with self._database.reading() as connection:
            return _naming(connection, digest)

    def keep_naming(self, digest: str, naming: Naming, text: str) -> None:
        """Say something else of the clusters of a model; `text` is what the person did."""

        def put(connection: Connection) -> None:
            newest = _newest_step(connection, digest)
            if newest is None:
                _put_step(connection, digest, 0, "", _naming(connection, digest))
            position = 1 + (newest[0] if newest else 0)
            _put_step(connection, digest, position, text, naming)
            _put_names(connection, digest, naming)
            connection.execute(
                "DELETE FROM namings WHERE model = ? AND position < ?",
                (digest, position - MOST_STEPS),
            )

        self._writer.run(put)

    def undo_text(self, digest: str) -> str:
        """What `undo_naming` would take back; empty where there is nothing."""
        with self._database.reading() as connection:
            newest = _newest_step(connection, digest)
            return newest[1] if newest and _step_before(connection, digest, newest[0]) else ""

    def undo_naming(self, digest: str) -> None:
        """Take the newest step of naming back; without one, nothing happens."""

        def put(connection: Connection) -> None:
            newest = _newest_step(connection, digest)
            before = _step_before(connection, digest, newest[0]) if newest else None
            if newest is None or before is None:
                return
            connection.execute(
                "DELETE FROM namings WHERE model = ? AND position = ?", (digest, newest[0])
            )
            _put_names(connection, digest, Naming.of_text(before))

        self._writer.run(put)

    def new_parts(self, n: int) -> list[int]:
        """Ids for parts that are about to be cut off, never given before in this project."""

        def take(connection: Connection) -> int:
            query = "SELECT value FROM settings WHERE name = 'parts'"
            row = connection.execute(query).fetchone()
            first = int(row[0]) if row and str(row[0]).isdigit() else FIRST_PART
            connection.execute(
                "INSERT OR REPLACE INTO settings VALUES ('parts', ?)", (str(first + n),)
            )
            return first

        first = self._writer.run(take)
        return list(range(first, first + n))

    def _do(self, statement: str, values: tuple[object, ...]) -> None:
        def job(connection: Connection) -> None:
            connection.execute(statement, values)

        self._writer.run(job)


def _naming(connection: Connection, digest: str) -> Naming:
    """Names are in a table of their own; the newest step knows the rest."""
    query = "SELECT cluster, category FROM names WHERE model = ?"
    names = dict(connection.execute(query, (digest,)).fetchall())
    newest = _newest_step(connection, digest)
    return replace(Naming.of_text(newest[2]) if newest else Naming(), names=names)


def _newest_step(connection: Connection, digest: str) -> tuple[int, str, str] | None:
    query = (
        "SELECT position, text, naming FROM namings WHERE model = ? ORDER BY position DESC LIMIT 1"
    )
    row = connection.execute(query, (digest,)).fetchone()
    return None if row is None else (int(row[0]), str(row[1]), str(row[2]))


def _step_before(connection: Connection, digest: str, position: int) -> str | None:
    query = (
        "SELECT naming FROM namings WHERE model = ? AND position < ? ORDER BY position DESC LIMIT 1"
    )
    row = connection.execute(query, (digest, position)).fetchone()
    return None if row is None else str(row[0])


def _put_step(
    connection: Connection, digest: str, position: int, text: str, naming: Naming
) -> None:
    connection.execute(
        "INSERT INTO namings VALUES (?, ?, ?, ?)", (digest, position, text, naming.to_text())
    )


def _put_names(connection: Connection, digest: str, naming: Naming) -> None:
    connection.execute("DELETE FROM names WHERE model = ?", (digest,))
    connection.executemany(
        "INSERT INTO names VALUES (?, ?, ?)",
        [(digest, cluster, category) for cluster, category in naming.names.items()],
    )


def _plain(text: object) -> dict[str, Any]:
    try:
        found = json.loads(str(text))
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
