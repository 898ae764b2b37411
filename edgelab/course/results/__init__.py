"""Results: benchmarks/results read and written, the reader's own records, the published tables."""

from edgelab.course.results.benchmarks import measured, results_folder, save_measured
from edgelab.course.results.recorded import checked, collect, machine, record, table
from edgelab.course.results.table_operators import operator_table
from edgelab.course.results.tables import section, summary
from edgelab.course.results.tables_shrink import compress, distil, engine, exactness, qat
