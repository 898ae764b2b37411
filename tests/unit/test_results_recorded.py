"""The results table: what a notebook records is what the table shows, and nothing malformed gets into it."""

import json

import nbformat
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from edgelab.course.results.recorded import MIME, checked, collect, machine, record, table

ROW = {
    "model": "small_cnn",
    "format": "int8",
    "runtime": "LiteRT",
    "accuracy": 0.9897,
    "bytes": 60008,
    "latency_ms": 0.0127,
}


def notebook_with(*rows: dict) -> nbformat.NotebookNode:
    outputs = [new_output("display_data", data={MIME: row, "text/plain": "…"}) for row in rows]
    return new_notebook(cells=[new_markdown_cell("# title"), new_code_cell("x"), new_code_cell("y", outputs=outputs)])


def test_record_displays_data_and_a_line(monkeypatch):
    """In a notebook a row is data for the table and words for the reader, in one output."""
    shown = []
    monkeypatch.setattr("IPython.get_ipython", lambda: object())
    monkeypatch.setattr("IPython.display.display", lambda data, raw: shown.append((data, raw)))
    record("small_cnn", "int8", "LiteRT", accuracy=np.float32(0.9897), bytes=np.int64(60008), latency_ms=0.012712)
    assert shown == [
        ({MIME: ROW, "text/plain": "small_cnn int8 on LiteRT: 98.97 %, 60,008 bytes, 0.0127 ms"}, True),
    ]
    json.dumps(shown[0][0])  # NumPy scalars would not go into a notebook file


def test_recorded_rows_come_back_in_order_and_survive_a_file(tmp_path):
    second = {**ROW, "format": "float32", "latency_ms": None}
    nbformat.write(notebook_with(ROW, second), tmp_path / "a.ipynb")
    assert collect(nbformat.read(tmp_path / "a.ipynb", as_version=4)) == [ROW, second]


def test_collect_names_the_cell_of_a_broken_row():
    with pytest.raises(ValueError, match="code cell 2: result: accuracy is 98.97; expected a share from 0 to 1"):
        collect(notebook_with({**ROW, "accuracy": 98.97}))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("model", ""),
        ("model", 3),
        ("format", "int8|x"),
        ("runtime", "a\nb"),
        ("accuracy", 1.01),
        ("accuracy", -0.01),
        ("accuracy", float("nan")),
        ("accuracy", "0.9"),
        ("accuracy", None),
        ("accuracy", True),
        ("accuracy", np.ones(2)),
        ("bytes", 0),
        ("bytes", 10.5),
        ("bytes", float("inf")),
        ("latency_ms", 0),
        ("latency_ms", -1.0),
        ("latency_ms", "fast"),
    ],
)
def test_a_wrong_value_is_named(field, value):
    """A percentage for a share, or a text for a number, would sit in the table and look right."""
    with pytest.raises(ValueError, match=f"result: {field} is "):
        checked({**ROW, field: value})


def test_a_row_must_be_a_mapping():
    with pytest.raises(ValueError, match="a result is a mapping"):
        checked(["small_cnn"])


def test_table_is_aligned_markdown():
    rows = [ROW, {**ROW, "format": "float32", "accuracy": 1, "bytes": 1234567, "latency_ms": None}]
    assert table(rows).splitlines() == [
        "| model     | format  | runtime | accuracy |     bytes |   latency |",
        "|:----------|:--------|:--------|---------:|----------:|----------:|",
        "| small_cnn | int8    | LiteRT  |  98.97 % |    60,008 | 0.0127 ms |",
        "| small_cnn | float32 | LiteRT  | 100.00 % | 1,234,567 |         – |",
    ]


NAMES = st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=1, max_size=12)


@given(
    rows=st.lists(
        st.fixed_dictionaries(
            {
                "model": NAMES,
                "format": NAMES,
                "runtime": NAMES,
                "accuracy": st.floats(0, 1),
                "bytes": st.integers(1, 10**12),
                "latency_ms": st.none() | st.floats(1e-6, 1e6),
            }
        ),
        max_size=5,
    )
)
def test_every_table_has_straight_columns_and_plain_figures(rows):
    lines = table(rows).splitlines()
    assert len(lines) == len(rows) + 2
    assert len({len(line) for line in lines}) == 1
    assert {line.count("|") for line in lines} == {7}
    for row, line in zip(rows, lines[2:], strict=True):
        accuracy, size, latency = (cell.strip() for cell in line.split("|")[4:7])
        # Half a unit of the second decimal of a per cent, and of the sixth decimal that is kept.
        assert abs(float(accuracy.removesuffix(" %")) / 100 - row["accuracy"]) <= 0.5e-4 + 1e-6
        assert int(size.replace(",", "")) == row["bytes"]
        if row["latency_ms"] is not None:
            # 3 significant digits: half a unit of the third is at most 0.5 %.
            assert float(latency.removesuffix(" ms")) == pytest.approx(row["latency_ms"], rel=0.005)


def test_checking_twice_changes_nothing():
    """run() reads back rows that were checked when they were recorded."""
    once = checked({**ROW, "latency_ms": 0.0126999, "accuracy": np.float32(0.9891)})
    assert checked(once) == once


def test_machine_names_what_a_figure_depends_on():
    found = machine()
    assert found["cpu"]
    assert found["cores"] >= 1
    assert {"edgelab", "numpy"} <= set(found["packages"])
    json.dumps(found)
