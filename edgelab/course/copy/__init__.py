"""Print a helper with all that it needs, to be pasted into another project."""

from edgelab.course.copy.assemble import File, assembled, import_text
from edgelab.course.copy.names import INSTALLED, PASTING, definitions, file_of, pasting, public_names, resolve
from edgelab.course.copy.notice import heading, packages
from edgelab.course.copy.parse import Piece, annotations_in, example_names, names_used, pieces, statement_text
from edgelab.course.copy.select import copy_source
