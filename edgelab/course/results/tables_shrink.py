"""The tables on shrinking, made from benchmarks/results, and README's paragraph on exactness."""

from collections.abc import Iterable
from statistics import mean, median
from textwrap import fill


def _rows(head: str, columns: Iterable[str], lines: Iterable[Iterable[str]]) -> str:
    """Lay out a sentence and a table whose first column holds names, the others figures."""
    columns = list(columns)
    body = [f"| {' | '.join(line)} |" for line in lines]
    rule = f"|:--{'|--:' * (len(columns) - 1)}|"
    return "\n".join([head, "", f"| {' | '.join(columns)} |", rule, *body])


def _spread(values: list[float]) -> str:
    return f"{mean(values):.2f} % ({min(values):.2f} to {max(values):.2f})"


def engine(rows: list[dict]) -> str:
    """Lay out the rows of benchmarks/engine.py: which rule matches which runtime, and images a second.

    >>> row = {"model": "tiny_int8", "runtime": "xnnpack", "logits": 100_000, "differ": {"reference": 7, "xnnpack": 0}}
    >>> print(engine([row | {"images_per_s": {"engine": 5000, "runtime": 9000}}]).splitlines()[-1])
    | tiny_int8 | xnnpack | 7 | 0 | 5,000 |
    """
    rules = list(rows[0]["differ"])
    lines = [
        [
            row["model"],
            row["runtime"],
            *(f"{row['differ'][rule]:,}" for rule in rules),
            f"{row['images_per_s']['engine']:,}",
        ]
        for row in rows
    ]
    head = (
        f"The integer engine, in NumPy: of {rows[0]['logits']:,} logits of the test images, how many differ from those "
        "of each runtime of LiteRT by each rule of rounding; and images a second by the runtime's own rule:"
    )
    return _rows(head, ["model", "runtime", *(f"{rule} rule" for rule in rules), "images/s"], lines)


def exactness(rows: list[dict]) -> str:
    """Return one paragraph on the rows of benchmarks/engine.py: where engine and runtimes are bit-exact.

    >>> row = {"model": "tiny_int8", "runtime": "xnnpack", "logits": 100_000, "differ": {"reference": 7, "xnnpack": 0}}
    >>> print(exactness([row]))
    `edgelab.infer.integer` runs an int8 `.tflite` in NumPy alone. Each of the 1 shipped int8 models gives 100,000
    logits for the test images: **0 differ** from those of LiteRT's kernels (`xnnpack`), by the engine's rule of that
    name. By the rule of other kernels up to 7 differ.
    """
    own = max(row["differ"][row["runtime"]] for row in rows)
    others = max(max(row["differ"].values()) for row in rows)
    runtimes = dict.fromkeys(f"`{row['runtime']}`" for row in rows)
    return fill(
        f"`edgelab.infer.integer` runs an int8 `.tflite` in NumPy alone. Each of the {len({r['model'] for r in rows})} "
        f"shipped int8 models gives {rows[0]['logits']:,} logits for the test images: **{own:,} differ** from those of "
        f"LiteRT's kernels ({', '.join(runtimes)}), by the engine's rule of that name. By the rule of other kernels up "
        f"to {others:,} differ.",
        width=116,
    )


def qat(rows: list[dict]) -> str:
    """Lay out the rows of benchmarks/qat.py: test accuracy over seeds, and bytes of constants.

    >>> row = {"name": "small", "seed": 1, "training": "qat4", "weights": "int4", "test": 0.9943}
    >>> print(qat([row | {"constant_bytes": 4894}]).splitlines()[-1])
    | small, trained with 4 bits | 1 | 99.43 % (99.43 to 99.43) | 4,894 |
    """
    says = {
        ("none", "float32"): "float, as it was",
        ("float", "float32"): "float, as many epochs more",
        ("float", "int8"): "the same, rounded to 8 bits",
        ("qat8", "int8"): "trained with 8 bits",
        ("float", "int4"): "the same, rounded to 4 bits",
        ("qat4", "int4"): "trained with 4 bits",
    }
    lines = []
    for name in dict.fromkeys(row["name"] for row in rows):
        for way, text in says.items():
            own = [row for row in rows if (row["name"], row["training"], row["weights"]) == (name, *way)]
            if own:
                constants = max(row["constant_bytes"] for row in own)
                tests = [100 * row["test"] for row in own]
                lines.append([f"{name}, {text}", str(len(own)), _spread(tests), f"{constants:,}"])
    head = (
        "Weights rounded after training and in training, activations of 8 bits, run by LiteRT; test images right, "
        "means over seeds (lowest to highest); constants are weights, biases and shapes:"
    )
    return _rows(head, ["network", "seeds", "test", "bytes of constants"], lines)


def compress(rows: list[dict]) -> str:
    """Lay out the rows of benchmarks/compress.py: bytes of the file that NumPy decodes, and errors.

    >>> row = {"network": "lenet_5", "seed": 1, "level": 1, "weights": 35_000, "file_bytes": 40_000, "ratio": 43.1}
    >>> print(compress([row | {"test": 0.9931}]).splitlines()[-1])
    | lenet_5, level 1 | 1 | 35,000 | 40,000 | 43.1 × | 0.69 % (0.69 to 0.69) |
    """
    lines = []
    for network, level in dict.fromkeys((row["network"], row["level"]) for row in rows):
        own = [row for row in rows if (row["network"], row["level"]) == (network, level)]
        errors = [100 * (1 - row["test"]) for row in own]
        figures = [f"{round(median(row[key] for row in own)):,}" for key in ("weights", "file_bytes")]
        label = f"{network}, level {level}" if level else f"{network}, uncompressed"
        ratio = f"{min(row['ratio'] for row in own):g} ×"
        lines.append([label, str(len(own)), *figures, ratio, _spread(errors)])
    head = (
        "Pruned, weights shared, Huffman coded (the paper has 40 × at 1.58 % error for LeNet-300-100, 39 × at 0.74 % "
        "for LeNet-5): bytes of the file that a decoder in NumPy reads, medians; the least ratio over the seeds; test "
        "error, means (lowest to highest):"
    )
    return _rows(head, ["network", "seeds", "weights left", "bytes", "ratio", "error"], lines)


def distil(rows: list[dict]) -> str:
    """Lay out the rows of benchmarks/distil.py: errors of the teacher, and of students with and without it.

    >>> row = {"units": 800, "temperature": 0, "seed": 1, "params": 1_276_810, "errors": 146}
    >>> print(distil([row]).splitlines()[-1])
    | 800-800, from labels alone | 1,276,810 | 1 | 146.0 (146 to 146) |
    """
    lines = []
    for units, temperature in dict.fromkeys((row["units"], row["temperature"]) for row in rows):
        own = [row for row in rows if (row["units"], row["temperature"]) == (units, temperature)]
        errors = [row["errors"] for row in own]
        how = "teacher" if temperature is None else f"distilled at T = {temperature:g}"
        how = "from labels alone" if temperature == 0 else how
        spread = f"{mean(errors):.1f} ({min(errors)} to {max(errors)})"
        lines.append([f"{units}-{units}, {how}", f"{own[0]['params']:,}", str(len(own)), spread])
    head = (
        "Distillation of two dense layers into smaller ones, otherwise trained alike (the paper has 67 errors for its "
        "teacher, 146 and 74 for 800-800); wrong answers on the 10,000 test images, means (lowest to highest):"
    )
    return _rows(head, ["network", "params", "seeds", "errors"], lines)
