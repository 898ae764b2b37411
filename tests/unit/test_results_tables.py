"""The tables of what shrinking costs and saves: the right rows averaged, and every kind of row named."""

from edgelab.course.results.tables_shrink import compress, distil, engine, exactness, qat


def rows_of(text):
    """The cells of a table's lines, after checking that all have as many as the head."""
    lines = [line.strip("|").split("|") for line in text.splitlines() if line.startswith("|")]
    assert len({len(line) for line in lines}) == 1
    return [[cell.strip() for cell in line] for line in lines[2:]]


def test_seeds_are_averaged_and_networks_and_ways_are_kept_apart():
    """A table that mixes rounding after training with training is wrong in a way nobody sees."""

    def row(name, seed, training, weights, test):
        return {"name": name, "seed": seed, "training": training, "weights": weights, "test": test} | {
            "constant_bytes": 4000 + seed
        }

    made = [
        row("small", 1, "float", "int4", 0.990),
        row("small", 2, "float", "int4", 0.992),
        row("small", 1, "qat4", "int4", 0.995),
        row("tiny", 1, "qat4", "int4", 0.970),
    ]
    assert rows_of(qat(made)) == [
        ["small, the same, rounded to 4 bits", "2", "99.10 % (99.00 to 99.20)", "4,002"],
        ["small, trained with 4 bits", "1", "99.50 % (99.50 to 99.50)", "4,001"],
        ["tiny, trained with 4 bits", "1", "97.00 % (97.00 to 97.00)", "4,001"],
    ]


def test_compression_shows_the_least_ratio_and_the_uncompressed_network():
    same = {"network": "lenet_5", "weights": 30_000, "file_bytes": 40_000}
    made = [
        {**same, "seed": 1, "level": 0, "ratio": 1.0, "test": 0.993},
        {**same, "seed": 1, "level": 1, "ratio": 45.8, "test": 0.992},
        {**same, "seed": 2, "level": 1, "ratio": 44.9, "test": 0.990},
    ]
    assert rows_of(compress(made)) == [
        ["lenet_5, uncompressed", "1", "30,000", "40,000", "1 ×", "0.70 % (0.70 to 0.70)"],
        ["lenet_5, level 1", "2", "30,000", "40,000", "44.9 ×", "0.90 % (0.80 to 1.00)"],
    ]


def test_distillation_names_teacher_and_both_kinds_of_students():
    same = {"params": 1_276_810, "units": 800}
    made = [
        {"units": 1200, "temperature": None, "params": 2_395_210, "errors": 70},
        {**same, "temperature": 0, "errors": 150},
        {**same, "temperature": 0, "errors": 140},
        {**same, "temperature": 20.0, "errors": 80},
    ]
    assert rows_of(distil(made)) == [
        ["1200-1200, teacher", "2,395,210", "1", "70.0 (70 to 70)"],
        ["800-800, from labels alone", "1,276,810", "2", "145.0 (140 to 150)"],
        ["800-800, distilled at T = 20", "1,276,810", "1", "80.0 (80 to 80)"],
    ]


def test_the_engine_has_a_column_for_each_rule():
    made = [
        {"model": "tiny_int8", "runtime": runtime, "logits": 100_000, "differ": {"reference": 0, "xnnpack": n}}
        | {"images_per_s": {"engine": 4321, "runtime": 1}}
        for runtime, n in (("reference", 1234), ("xnnpack", 0))
    ]
    assert rows_of(engine(made))[0] == ["tiny_int8", "reference", "0", "1,234", "4,321"]
    assert "| reference rule | xnnpack rule |" in engine(made)


def test_the_paragraph_on_exactness_tells_of_the_worst_row():
    """A rule that misses one logit of one model must not read as 0."""
    made = [
        {"model": model, "runtime": runtime, "logits": 100_000, "differ": {"reference": a, "xnnpack": b}}
        for model, runtime, a, b in (("a", "reference", 0, 1234), ("a", "xnnpack", 99, 1), ("b", "reference", 0, 5))
    ]
    words = " ".join(exactness(made).split())
    assert "Each of the 2 shipped int8 models gives 100,000 logits" in words
    assert "**1 differ** from those of LiteRT's kernels (`reference`, `xnnpack`)" in words
    assert "up to 1,234 differ" in words
