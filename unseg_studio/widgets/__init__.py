"""Qt parts that the window and the napari dock share; each takes a document and its live loop."""

from unseg_studio.widgets.background import Background
from unseg_studio.widgets.category_list import CategoryList
from unseg_studio.widgets.corrections_box import CorrectionsBox
from unseg_studio.widgets.export_box import (
    ExportBox,
    ExportForm,
    document_form,
    target_dialog,
)
from unseg_studio.widgets.export_job import (
    DocumentSource,
    ExportCheck,
    ExportJob,
    ExportSource,
    ExportWish,
    SetJob,
    SetSource,
    Written,
    renamed,
)
from unseg_studio.widgets.filmstrip import FilmstripBar
from unseg_studio.widgets.form import Form, FormField, fields_of_options, fields_of_segmenter
from unseg_studio.widgets.pump import Pump
from unseg_studio.widgets.run_bar import RunBar, figures
from unseg_studio.widgets.segmenter_box import SegmenterBox

__all__ = [
    "Background",
    "CategoryList",
    "CorrectionsBox",
    "DocumentSource",
    "ExportBox",
    "ExportCheck",
    "ExportForm",
    "ExportJob",
    "ExportSource",
    "ExportWish",
    "FilmstripBar",
    "Form",
    "FormField",
    "Pump",
    "RunBar",
    "SegmenterBox",
    "SetJob",
    "SetSource",
    "Written",
    "document_form",
    "fields_of_options",
    "fields_of_segmenter",
    "figures",
    "renamed",
    "target_dialog",
]
