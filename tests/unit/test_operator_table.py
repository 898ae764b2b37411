"""The table of the integer engine's operators in benchmarks/README.md."""

from pathlib import Path

from edgelab.course.results import operator_table
from edgelab.infer.integer.operators import OPERATORS, RUNTIMES
from edgelab.infer.integer.place import MISSING, Entry

ROOT = Path(__file__).resolve().parents[2]


def rows_of(text: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines()]


def test_each_operator_has_its_row_with_the_rules_that_the_engine_uses():
    """A published row that the engine does not follow would tell readers to expect other integers."""
    head, _, *rows = rows_of(operator_table())
    assert head == ["operator", "file", *RUNTIMES]
    assert [row[0].replace("`", "").removesuffix(" †") for row in rows] == list(OPERATORS)
    for (label, file, *cells), entry in zip(rows, OPERATORS.values(), strict=True):
        assert [{"same": ""}.get(cell, cell.strip("`")) for cell in cells] == list(entry[1:5]), label
        assert ("†" in label) == (entry.kernels is not None)
        assert label.split("`")[1] in (ROOT / "edgelab" / "infer" / "integer" / file).read_text(encoding="utf-8")


def test_a_new_operator_appears_with_every_kind_of_cell():
    def step(place):
        return place

    made = operator_table(
        {"MIX int16": Entry(step, "double", "", MISSING, "float32", kernels=step), "MOVE": Entry(step)}
    )
    assert rows_of(made)[2:] == [
        ["`MIX` int16 †", "test_operator_table.py", "`double`", "same", "no kernel", "`float32`"],
        ["`MOVE`", "test_operator_table.py", *["same"] * 4],
    ]
