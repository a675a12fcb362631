"""One image under work: its truth, its undo, and the engine that keeps its labels alive."""

from unseg_studio.document.carry import Carried, CarriedPlane, Carry, Origin, PlaneIndex
from unseg_studio.document.decode import Context, Decoded, decode, decoded
from unseg_studio.document.document import Document, DocumentEvents, joined_tables
from unseg_studio.document.filmstrip import Filmstrip
from unseg_studio.document.history import History, Record, Undoable
from unseg_studio.document.live import PULL_MS, SCREEN_MS, SOON_MS, Live, pull_ms
from unseg_studio.document.recognition import Recognition, Taught, can_learn, can_teach
from unseg_studio.document.solve import Fits, Frame, PartRun, Run, first_run, solve
from unseg_studio.document.split import Parts, parts_of
from unseg_studio.document.stack import LabelledPlane, PlaneStatus, Stack
from unseg_studio.document.state import RunStatus, State
from unseg_studio.document.thumbnails import Strip, StripJob, Thumbnail, Variant, variants_of
from unseg_studio.document.timeline import Moment
from unseg_studio.document.worker import Failure, Job, Worker

__all__ = [
    "PULL_MS",
    "SCREEN_MS",
    "SOON_MS",
    "Carried",
    "CarriedPlane",
    "Carry",
    "Context",
    "Decoded",
    "Document",
    "DocumentEvents",
    "Failure",
    "Filmstrip",
    "Fits",
    "Frame",
    "History",
    "Job",
    "LabelledPlane",
    "Live",
    "Moment",
    "Origin",
    "PartRun",
    "Parts",
    "PlaneIndex",
    "PlaneStatus",
    "Recognition",
    "Record",
    "Run",
    "RunStatus",
    "Stack",
    "State",
    "Strip",
    "StripJob",
    "Taught",
    "Thumbnail",
    "Undoable",
    "Variant",
    "Worker",
    "can_learn",
    "can_teach",
    "decode",
    "decoded",
    "first_run",
    "joined_tables",
    "parts_of",
    "pull_ms",
    "solve",
    "variants_of",
]
