"""Print a helper with all that it needs, to be pasted into another project."""

from edgelab.course.copy.assemble import File, assembled, import_text
from edgelab.course.copy.parse import Piece, annotations_in, example_names, names_used, pieces, statement_text
from edgelab.course.copy.select import copy_source, public_names

__all__ = [
    "File",
    "Piece",
    "annotations_in",
    "assembled",
    "copy_source",
    "example_names",
    "import_text",
    "names_used",
    "pieces",
    "public_names",
    "statement_text",
]
