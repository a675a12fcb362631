"""Many images in one file: a review queue, one table of categories, and a journal of every stroke.

with Project.create("cells.unseg") as project:
    project.add_images(sorted(Path("cells").glob("*.tif")))
    for entry in project.images():
        document = project.open_document(entry.id)
        with project.journal(document, entry.id):
            document.paint([(40, 60)], radius=3)
        project.accept(entry.id, document)
    export(project.annotations(), "cells.json")

A process that is killed loses at most the newest stroke; see `journal`.
"""

from unseg_studio.project.accepted import Annotations
from unseg_studio.project.database import ProjectError, ReadOnlyError
from unseg_studio.project.entries import STATUSES, ImageEntry, Status
from unseg_studio.project.journal import Journal
from unseg_studio.project.project import SUFFIX, Project, ProjectEvents
from unseg_studio.project.relink import RelinkReport
from unseg_studio.project.schema import NewerProjectError

__all__ = [
    "STATUSES",
    "SUFFIX",
    "Annotations",
    "ImageEntry",
    "Journal",
    "NewerProjectError",
    "Project",
    "ProjectError",
    "ProjectEvents",
    "ReadOnlyError",
    "RelinkReport",
    "Status",
]
