"""Plant small faults in the package, one at a time, and see whether the tests that reach the changed module fail.

    python tests/plant_faults.py                             # all faults; build/faults.json keeps what is done
    python tests/plant_faults.py --only gru_grad_first_state
    python tests/plant_faults.py --list
    python tests/plant_faults.py --compare OLD.json NEW.json # 1 where OLD caught a fault that NEW lets pass

It works on copies of the working tree, with the Python that runs it, and takes an hour or two. A fault names a function
and a text in it, not a file, so that the same faults can be planted in a tree whose files have moved.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import json
import os
import queue
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path
from typing import BinaryIO, NamedTuple

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "build" / "faults.json"
TIMEOUT = 600.0  # seconds without a test that begins: then a fault has made one hang, which finds it
FARTHEST, MOST = 3, 12  # which test files are run: imports between them and the module, and how many files
EXAMPLES = "test_the_examples_of_a_module_are_true"


class Fault(NamedTuple):
    """A plausible mistake. where: the function or class it is in, None: anywhere. changes: (right, wrong) texts.

    Of several changes the first counts whose right text stands in the package: code that is arranged anew may say the
    same in other words.
    """

    name: str
    where: str | None
    changes: tuple[tuple[str, str], ...]


def fault(name: str, where: str | None, *texts: str) -> Fault:
    return Fault(name, where, tuple(zip(texts[::2], texts[1::2], strict=True)))


# fmt: off
MATHS = [
    fault("same_padding_forgets_dilation", "margins", "(kernel - 1) * dilation + 1 - size", "kernel - size"),
    fault("window_gradient_cut_by_the_other_margin", "add_windows", "left : left + width]", "top : top + width]"),
    fault("max_pool_pads_with_zero", "max_pool2d", "fill=-np.inf).max(", "fill=0.0).max("),
    fault("avg_pool_gradient_counts_padding", "avg_pool2d_grad", "dy / view.sum(axis=(3, 4))",
          "dy / np.full(view.shape[:3] + (1,), float(np.prod(view.shape[3:5])))"),
    fault("depthwise_gradient_forgets_dilation", "depthwise_conv2d_grad",
          "add_windows(dwindows, x.shape, stride, padding, dilation)",
          "add_windows(dwindows, x.shape, stride, padding)"),
    fault("rnn_grad_ends_at_a_masked_step", "rnn_grad", "np.where(mask[:, t, None], da[:, t] @ u.T, dh)",
          "da[:, t] @ u.T"),
    fault("lstm_grad_cell_ignores_the_mask", "lstm_grad", "np.where(keep, dc_new * f[:, t], dc)", "dc_new * f[:, t]"),
    fault("lstm_grad_first_cell", "lstm_grad", "[c0[:, None], c[:, :-1]]", "[0 * c0[:, None], c[:, :-1]]"),
    fault("gru_grad_first_state", "gru_grad", "[h0[:, None], h[:, :-1]]", "[0 * h0[:, None], h[:, :-1]]"),
    fault("gru_grad_loses_the_path_through_reset", "gru_grad", " + (0 if reset_after else d_reset * r[:, t])", ""),
    fault("gru_grad_second_bias", "gru_grad", "da_h.sum(axis=(0, 1))]", "da_x.sum(axis=(0, 1))]"),
    fault("adam_epsilon_under_the_root", "adam", "(np.sqrt(c) + float(epsilon))", "np.sqrt(c + float(epsilon))"),
    fault("softmax_grad_axis", "softmax_grad", "(dy * p).sum(axis=-1, keepdims=True)",
          "(dy * p).sum(axis=0, keepdims=True)"),
    fault("clip_lengthens_short_gradients", "clip_by_global_norm", "limit / max(norm, limit)", "limit / (norm or 1.0)"),
    fault("a_mask_of_numbers_passes", "check_sequence", "if mask.dtype != bool:", "if False and mask.dtype != bool:"),
    fault("cloud_full_uplink_is_too_little", "cloud", "images_per_second <= uplink", "images_per_second < uplink"),
]
INFER = [
    fault("groups_take_every_other_kernel", "conv2d_sums", "w[g * each : (g + 1) * each]", "w[g::groups]"),
    fault("float32_sums_too_long", "exact_float", "largest < 2**24", "largest < 2**27"),
    fault("depthwise_zero_point_is_padded", "depthwise_sums", "x.astype(np.int32) - np.int32(zero_point)",
          "x.astype(np.int32) - np.int32(zero_point) * np.int32(padding == 'valid')"),
    fault("average_pool_halves_to_zero", "average_pool", "+ count // 2) // count", "+ (count - 1) // 2) // count"),
    fault("integer_max_pool_pads_with_zero", "max_pool", "fill=-128", "fill=0"),
    fault("activation_range_never_even", "activation_range", "if even else away", "if False else away"),
    fault("mean_double_keeps_a_bit_more", "mean_double", "min(count.bit_length() - 1,", "min(count.bit_length(),"),
    fault("mean_builtin_offset_halves_up", "mean_builtin", "np.copysign(np.float32(0.5), offset)", "np.float32(0.5)"),
    fault("add_builtin_vectors_of_16", "add_builtin", '(8, "floor")', '(16, "floor")'),
    fault("add_shift_halves_down", "add_shift", "(1 << (shift - 1))) >> shift", "(1 << (shift - 1)) - 1) >> shift"),
    fault("convert_8bit_halves_down", "convert_8bit", "* ratio + 128) >> 8", "* ratio + 127) >> 8"),
    fault("quantize_input_rest_in_float32", "quantize_input", "half_away(x / np.float64(scale))",
          "half_away(x / scale)"),
    fault("softmax_table_sums_by_pairs", "softmax_table", "np.add.accumulate(found, axis=-1)[..., -1:]",
          "found.sum(axis=-1, keepdims=True)"),
    fault("softmax_fixed_cuts_bits_off", "softmax_fixed", "shift_right(powers, 12)", "(powers >> 12)"),
    fault("logistic_table_halves_away", "logistic_table", "np.rint((1 / (1 + power))", "half_away((1 / (1 + power))"),
    fault("rescale_whole_vectors_only", "rescale", 'channels - channels % int(rule.removeprefix("builtin"))',
          'channels - 0 * int(rule.removeprefix("builtin"))'),
    fault("mean_builtin_without_kept_axes", None, '["keepDims"]', '["keepDims"] is not None'),
    fault("concatenation_of_the_batch_passes", None, "axis % rank == 0", "axis == rank"),
    fault("int4_eight_is_positive", None, "16 * (halves > 7)", "16 * (halves > 8)"),
    fault("state_left_from_the_image_before", "Runner.predict", "self._interpreter.reset_all_variables()", "pass"),
    fault("runner_halves_up", "Runner.as_input", "np.rint(q, out=q)", "np.floor(q + np.float32(0.5), out=q)"),
    fault("centre_off_by_half_a_pixel", "centre", "(side - 1) * total)", "side * total)"),
    fault("background_slopes_mixed_up", "background", "(right - left) * m * x", "(right - left) * n * x"),
]
SHRINK = [
    fault("calibration_without_the_last_class", "check_calibration", "range(classes or int(labels.max()) + 1)",
          "range(int(labels.max()) + 1)"),
    fault("fold_takes_the_usual_epsilon", "fold", "mean, variance, norm.epsilon)", "mean, variance)"),
    fault("fold_of_a_layer_read_twice", "fold", " or readers != 1", ""),
    fault("onnx_odd_padding_in_front", None, "(total // 2, total - total // 2)", "(total - total // 2, total // 2)"),
    fault("quantize_in_float64", "quantize", "x / scale.astype(x.dtype)", "x / scale"),
    fault("entropy_range_drops_outliers", None, "p[-1] += outliers", "p[-1] += 0 * outliers"),
    fault("calibrated_on_the_first_image_alone", None, '("max", seen.max())', '("max", seen[:1].max())'),
    fault("moving_range_first_batches", "moving_range", "1.0 / (self.batches + 1.0)", "1.0 / (self.batches + 2.0)"),
    fault("largest_weight_without_gradient", "fake_quantize_kernel", "largest * (1 + 1e-6)", "largest * (1 - 1e-6)"),
    fault("pruning_counts_from_zero", "pruning", "(self.step - begin) % every == 0", "self.step % every == 0"),
    fault("pruned_channels_behind_flatten", "prune_channels", "np.arange(places)[:, None] * channels + kept",
          "np.arange(places)[:, None] + kept * places"),
    fault("cluster_at_half_way", "cluster_weights", 'side="right"', 'side="left"'),
    fault("huffman_longest_code", "code_lengths", "(first + second, order, left + right)",
          "(first + second, -order, left + right)"),
    fault("packed_damage_passes", "unpack", "if found != expected:", "if False and found != expected:"),
    fault("distiller_weighs_by_temperature", "distiller", "temperature**2 * keras", "temperature * keras"),
]
TRAIN = [
    fault("hold_out_without_proportion", "hold_out", "stratify=y", "stratify=None"),
    fault("fit_learns_on_after_the_schedule", "fit", "epochs * steps - warmup", "epochs * steps"),
    fault("patience_keeps_the_last_weights", "fit", "if patience is not None and", "if patience == 0 and"),
    fault("warp_shear_of_what_is_turned", "warp", "cos - shear * sin", "cos + shear * sin"),
    fault("never_predicted_is_precise", "scores", "zero_division=0.0", "zero_division=1.0"),
    fault("reliability_bins_open_above", "reliability", "[1:-1], sure)", '[1:-1], sure, side="right")'),
    fault("abstention_parts_equals", "abstention", "sure[1:] != sure[:-1]", "sure[1:] <= sure[:-1]"),
    fault("mbconv_squeezes_the_expanded", "mbconv", "ratio * expansion", "ratio"),
    fault("shuffle_the_other_way_round", "channel_shuffle", "groups, channels // groups)",
          "channels // groups, groups)"),
    fault("efficientnet_strides_again", "efficientnet_small", "1 if i else stride", "stride"),
    fault("cost_writes_over_the_image", "count", " and reads[0] not in given", ""),
    fault("weight_bytes_rounded_down", "Cost.weight_bytes", "-(-(row.weights * weight + row.biases * bias) // 8)",
          "(row.weights * weight + row.biases * bias) // 8"),
    fault("plan_cost_norm_after_depthwise", "plan_cost", "(biases - plain)", "biases"),
    fault("halving_likes_nan", "successive_halving", "np.nan_to_num(scores[plan], nan=-np.inf)",
          "np.nan_to_num(scores[plan], nan=np.inf)"),
    fault("probe_bias_twice", "probe", "np.hstack([-b, b]) / 2", "np.hstack([-b, b])"),
    fault("fine_tune_trains_the_statistics", "fine_tune", "trainable = batch_statistics",
          "trainable = batch_statistics or steps > 1"),
    fault("imagenet_input_in_unit_range", "to_backbone_input", "images * 255.0", "images * 1.0"),
    fault("sequence_target_a_step_early", "windows", "targets[steps - 1 :]", "targets[: len(targets) - steps + 1]"),
    fault("alarm_on_the_first_early_day", "judge", "leads > early", "leads >= early"),
    fault("kurtosis_of_the_offset", "features", "centred**4", "signal**4"),
    fault("settle_forgets_the_first_batch", "settle", "k / (k + 1)", "k / (k + 2)"),
]
COURSE = [
    fault("narrow_floats_compared_too_closely", None, "expected.dtype.itemsize < 8 else 0",
          "expected.dtype.itemsize < 4 else 0"),
    fault("answers_may_change_arguments", "outcome", "copy.deepcopy(list(arguments))", "list(arguments)"),
    fault("a_mistake_that_stands_twice", "Exercise._replaced", "count != 1 or", "count < 1 or"),
    fault("select_by_a_bare_number", "select", "stem.zfill(2)", "stem"),
    fault("cost_kept_where_it_changed", "record_cost", "/ 4, 2)", "/ 2, 2)"),
    fault("comment_on_the_first_line_lost", "statement_text", "while start > 0", "while start > 1"),
    fault("copy_of_clashing_names", None, "if first[0] != what:", "if False and first[0] != what:"),
    fault("copied_import_of_the_full_width", None, "len(line) <= WIDTH", "len(line) < WIDTH"),
    fault("cell_that_mirrors_two_things", None, "if len(tags) > 1:", "if len(tags) > 2:"),
    fault("pin_for_some_platforms", None, "if all(any(all(", "if any(any(all("),
    fault("result_of_all_right_refused", "checked", '<= plain["accuracy"] <= 1', '<= plain["accuracy"] < 1'),
    fault("confusion_counts_transposed", "confusion", "ax.text(column, row,", "ax.text(row, column,"),
]
# fmt: on
FAULTS = [*MATHS, *INFER, *SHRINK, *TRAIN, *COURSE]

# What the child runs: pytest, noting the first failure. Hypothesis needn't look for the smallest counterexample, which
# takes minutes, and draws alike each time.
CHILD = """
import importlib.util
import os
import sys
import pytest
from hypothesis import Phase, settings
settings.register_profile("first", phases=[Phase.explicit, Phase.generate], report_multiple_bugs=False, database=None)
settings.load_profile("first")

class Watch:
    def pytest_runtest_logstart(self, nodeid, location):
        with open(sys.argv[1] + ".begun", "w", encoding="utf-8") as file:
            file.write(nodeid)

    def pytest_runtest_logreport(self, report):
        if report.failed:
            with open(sys.argv[1], "a", encoding="utf-8") as file:
                file.write(report.nodeid + "\\n")

    pytest_collectreport = pytest_runtest_logreport

if not importlib.util.find_spec("edgelab").origin.startswith(os.getcwd()):
    print("another edgelab than this copy's would be tested")
    sys.exit(4)
sys.exit(pytest.main(sys.argv[2:], plugins=[Watch()]))
"""


class Place(NamedTuple):
    """Where a fault belongs: a file, relative to the tree, and its text with the fault in it."""

    path: str
    text: str


def spans(text: str, where: str | None) -> list[tuple[int, int]]:
    """Return where in a file, in characters, the definitions of a qualified name begin and end."""
    if where is None:
        return [(0, len(text))]
    starts = [0]
    for line in text.split("\n"):
        starts.append(starts[-1] + len(line) + 1)
    found = []

    def visit(node: ast.AST, prefix: str) -> None:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                name = f"{prefix}{child.name}"
                if name == where:
                    found.append((starts[child.lineno - 1], starts[child.end_lineno]))
                visit(child, f"{name}.")

    visit(ast.parse(text), "")
    return found


def locate(tree: Path, fault: Fault) -> Place:
    """Find the one place of a fault; raises ValueError naming the fault where there is none, or more than one."""
    files = sorted(tree.glob("edgelab/**/*.py"))
    texts = {file.relative_to(tree).as_posix(): file.read_text(encoding="utf-8") for file in files}
    for old, new in fault.changes:
        places = []
        for path, text in texts.items():
            for start, end in spans(text, fault.where):
                parts = text[start:end].split(old)
                places += [
                    Place(path, text[:start] + old.join(parts[:i]) + new + old.join(parts[i:]) + text[end:])
                    for i in range(1, len(parts))
                ]
        if len(places) > 1:
            found = ", ".join(place.path for place in places)
            raise ValueError(f"{fault.name}: {old!r} stands {len(places)} times in {fault.where or 'edgelab'}: {found}")
        if places:
            # What doesn't compile would fail in every test and prove none of them.
            compile(places[0].text, places[0].path, "exec", dont_inherit=True)
            return places[0]
    raise ValueError(f"{fault.name}: none of its texts stands in {fault.where or 'edgelab'}; give it another one")


class Imports:
    """What imports what: the modules of the package, and which test files reach one of them over how many imports."""

    def __init__(self, tree: Path) -> None:
        self.tree = tree
        paths = sorted(tree.glob("edgelab/**/*.py"))
        self.files = {self.module(path.relative_to(tree)): path for path in paths}
        self.parsed: dict[Path, ast.Module] = {}
        self.passed = {name: self._passed_on(name) for name, path in self.files.items() if path.stem == "__init__"}
        self.graph = {name: self._targets(path) | self._listed(name) for name, path in self.files.items()}

    @staticmethod
    def module(path: Path) -> str:
        parts = path.with_suffix("").parts
        return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)

    def parse(self, path: Path) -> ast.Module:
        if path not in self.parsed:
            self.parsed[path] = ast.parse(path.read_text(encoding="utf-8"))
        return self.parsed[path]

    def distances(self, test: Path) -> dict[str, int]:
        """Return each module that a test file reaches, and over how many imports; 0: it imports it itself."""
        level = set().union(*(self._targets(file) for file in self._with_helpers(test)))
        found: dict[str, int] = {}
        while level:
            distance = max(found.values(), default=-1) + 1
            found |= dict.fromkeys(level, distance)
            level = set().union(*(self.graph[name] for name in level)) - set(found)
        return found

    def _known(self, name: str, base: str = "") -> str | None:
        """Return a module's full name, also of one that is named relative to a folder."""
        return next((full for full in (name, f"{base}.{name}") if full in self.files), None)

    def _passed_on(self, package: str) -> dict[str, str]:
        """Return the names that a folder's __init__ hands on, and their modules: imported, or in a table of strings."""
        found, tree = {}, self.parse(self.files[package])
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.module in self.files:
                found |= {alias.asname or alias.name: node.module for alias in node.names}
            if isinstance(node, ast.Dict):
                for key, value in zip(node.keys, node.values, strict=True):
                    ones, others = (_strings(part) if part is not None else [] for part in (key, value))
                    for names, modules in ((ones, others), (others, ones)):
                        for full in filter(None, (self._known(word, package) for word in modules)):
                            found |= dict.fromkeys(names, full)
        return found

    def _listed(self, module: str) -> set[str]:
        """Return what a folder's __init__ can load by name: what it hands on, or all its files where it lists them."""
        if module not in self.passed:
            return set()
        names = {self._known(word, module) for word in _strings(self.parse(self.files[module]))}
        if "iter_modules" in self.files[module].read_text(encoding="utf-8"):
            names |= {name for name in self.files if name.rpartition(".")[0] == module}
        return {name for name in (*names, *self.passed[module].values()) if name} - {module, "edgelab"}

    def _targets(self, path: Path) -> set[str]:
        """Return the modules of the package that a file imports anywhere, those under TYPE_CHECKING left out."""
        tree, found = self.parse(path), set()
        skipped = {id(n) for node in ast.walk(tree) if _typing_only(node) for part in node.body for n in ast.walk(part)}
        attributes = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
        for node in ast.walk(tree):
            if id(node) in skipped:
                continue
            for base, name in _imported(node):
                full = self._known(name, base) if name else self._known(base)
                if full is None and base in self.passed:
                    full = self.passed[base].get(name, base)
                full = full or self._known(base)
                found |= {full} if full else set()
                if full in self.passed:  # of a whole folder, what is taken out of it
                    found |= {self.passed[full][word] for word in attributes & set(self.passed[full])}
        return found - {"edgelab"}

    def _with_helpers(self, test: Path) -> set[Path]:
        """Return a test file, the helpers in tests/ that it imports, and the conftest.py whose fixtures it takes."""
        found, ahead = set(), [test]
        while ahead:
            file = ahead.pop()
            if file in found:
                continue
            found.add(file)
            for base, name in (each for node in ast.walk(self.parse(file)) for each in _imported(node)):
                dotted = [part for part in (base, f"{base}.{name}" if name else "") if part]
                paths = [part.replace(".", "/") + ".py" for part in dotted]
                ahead += [p for top in (file.parent, self.tree) for path in paths if (p := top / path).is_file()]
        ahead = [path for path in found if "tests" in path.relative_to(self.tree).parts]
        taken = {arg.arg for n in ast.walk(self.parse(test)) if isinstance(n, ast.FunctionDef) for arg in n.args.args}
        for folder in [test.parent, *test.parents]:
            conftest = folder / "conftest.py"
            if folder.is_relative_to(self.tree) and conftest.is_file():
                made = {n.name for n in ast.walk(self.parse(conftest)) if isinstance(n, ast.FunctionDef)}
                ahead += [conftest] if made & taken else []
        return set(ahead)


def _strings(node: ast.AST) -> list[str]:
    texts = [n.value for n in ast.walk(node) if isinstance(n, ast.Constant) and isinstance(n.value, str)]
    return [word for text in texts for word in text.split()]  # names may stand in one text, as in "conv2d gru"


def _typing_only(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING")


def _imported(node: ast.AST) -> list[tuple[str, str]]:
    """Return what a statement imports, as pairs of a module and a name in it, "" for the module itself."""
    if isinstance(node, ast.Import):
        return [(alias.name, "") for alias in node.names]
    if isinstance(node, ast.ImportFrom) and node.module and not node.level:
        return [(node.module, alias.name) for alias in node.names]
    if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("import_module"):
        return [(a.value, "") for a in node.args if isinstance(a, ast.Constant) and isinstance(a.value, str)]
    return []


def tests_of(imports: Imports, path: str, farthest: int, most: int) -> list[str]:
    """Return what to run for a changed file: test files that reach it, the nearest first, then its examples.

    The examples come last: they would otherwise answer for the tests.
    """
    module, found, exercises, examples = imports.module(Path(path)), [], [], []
    for folder in ("unit", "exercises"):
        for test in sorted((imports.tree / "tests" / folder).rglob("test_*.py")):
            name = test.relative_to(imports.tree).as_posix()
            if f"def {EXAMPLES}(" in test.read_text(encoding="utf-8"):
                examples.append(f"{name}::{EXAMPLES}[{module}]")
                continue
            distance = imports.distances(test).get(module)
            if distance is None:
                continue
            if folder == "exercises":
                exercises.append(name)
            elif distance <= farthest:
                own = test.stem == f"test_{module.rpartition('.')[2]}"
                found.append((not own, distance, name))
    return [*(name for *_, name in sorted(found)[:most]), *exercises, *examples]


def copied(folder: Path) -> Path:
    """Copy the working tree, new files too, but nothing that git ignores."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout.decode()
    for name in sorted(set(filter(None, listed.split("\0")))):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name, follow_symlinks=False)
    return folder


class Outcome(NamedTuple):
    """What a run of pytest found: its exit code, None after the timeout; the first failure; the end of its output."""

    code: int | None
    failed: str | None
    output: str


class Bench:
    """One copy of the tree in which faults are planted."""

    # A byte-code file is told from its source by time, in seconds, and size: each write gets a time of its own.
    times = count(int(time.time()))

    def __init__(self, tree: Path, farthest: int, most: int) -> None:
        self.tree, self.farthest, self.most = tree, farthest, most
        self.imports = Imports(tree)
        self.green: set[str] = set()
        self.red: set[str] = set()

    def write(self, path: str, text: str) -> None:
        file = self.tree / path
        file.write_text(text, encoding="utf-8")
        moment = next(self.times)
        os.utime(file, (moment, moment))

    @contextlib.contextmanager
    def planted(self, place: Place) -> Iterator[None]:
        right = (self.tree / place.path).read_text(encoding="utf-8")
        self.write(place.path, place.text)
        try:
            yield
        finally:
            self.write(place.path, right)

    def try_fault(self, fault: Fault) -> dict[str, object]:
        """Plant a fault, run the tests that reach it, and say whether one of them fails that passes without it."""
        place = locate(self.tree, fault)
        tests = tests_of(self.imports, place.path, self.farthest, self.most)
        begun = time.monotonic()
        while True:
            with self.planted(place):
                found = self.pytest(*tests, *(f"--deselect={name}" for name in sorted(self.red)))
            by = found.failed or {None: "timeout", 0: None}.get(found.code, f"exit code {found.code}")
            if found.code in (3, 4, 5) or (found.code == 2 and not found.failed):
                raise RuntimeError(f"{fault.name}: pytest ended with {found.code}\n{found.output[-2000:]}")
            if not found.failed or self.passes(found.failed):
                break
            if "::" not in found.failed:
                raise RuntimeError(f"{found.failed} can't be collected, without a fault either\n{found.output[-2000:]}")
            self.red.add(found.failed)
            print(f"without any fault, {found.failed} fails too; it is left out", file=sys.stderr, flush=True)
        seconds = round(time.monotonic() - begun, 1)
        return {"caught": by is not None, "by": by, "seconds": seconds, "module": place.path, "tests": len(tests)}

    def passes(self, test: str) -> bool:
        """Say whether a test passes without a fault; a file that can't be collected has no :: in its name."""
        if test not in self.green | self.red:
            how = [] if "::" in test else ["--collect-only"]
            self.green |= {test} if self.pytest(test, *how).code == 0 else set()
        return test in self.green

    def pytest(self, *arguments: str) -> Outcome:
        environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
        environment["PYTHONPATH"] = str(self.tree)  # before an installed edgelab
        how = ["-x", "-q", "--no-header", "-p", "no:cacheprovider", "-n0", "--hypothesis-seed=0", "--tb=short"]
        with tempfile.TemporaryDirectory() as folder:
            failures, log = Path(folder, "failures"), Path(folder, "log")
            command = [sys.executable, "-c", CHILD, str(failures), *how, *arguments]
            with log.open("wb") as output:
                code = _run(command, self.tree, environment, output, Path(f"{failures}.begun"))
            names = failures.read_text(encoding="utf-8").splitlines() if failures.is_file() else []
            return Outcome(code, names[0] if names else None, log.read_text(encoding="utf-8", errors="replace"))


def _run(command: list[str], folder: Path, environment: dict[str, str], output: BinaryIO, begun: Path) -> int | None:
    """Run a command; return its exit code, or None where it hangs, ended with all that it has started."""
    process = subprocess.Popen(
        command, cwd=folder, env=environment, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
    )
    last = time.time()
    try:
        while time.time() - last < TIMEOUT:
            with contextlib.suppress(subprocess.TimeoutExpired):
                return process.wait(timeout=5)
            # Not of all tests together: those of some faults take long where nothing fails.
            last = max(last, begun.stat().st_mtime if begun.is_file() else 0)
        return None
    finally:
        if process.returncode is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def plant(faults: Iterable[Fault], results: Path, workers: int, farthest: int, most: int) -> int:
    """Try the faults that the results don't hold yet; return how many could not be tried."""
    done = json.loads(results.read_text(encoding="utf-8")) if results.is_file() else {}
    ahead = [each for each in faults if each.name not in done]
    lock, benches, wrong = threading.Lock(), queue.SimpleQueue(), []
    results.parent.mkdir(parents=True, exist_ok=True)

    def one(fault: Fault) -> None:
        bench = benches.get()
        try:
            found = bench.try_fault(fault)
        except (ValueError, SyntaxError, RuntimeError) as error:
            wrong.append(fault.name)
            print(f"not tried: {error}", file=sys.stderr, flush=True)
            return
        finally:
            benches.put(bench)
        with lock:
            done[fault.name] = found
            part = results.with_name(f"{results.name}.part")
            part.write_text(json.dumps(done, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
            part.replace(results)
        print(f"{fault.name}: {found['by'] or 'NOT CAUGHT'} ({found['seconds']} s)", flush=True)

    with tempfile.TemporaryDirectory(prefix="faults-") as folder:
        for number in range(workers):
            benches.put(Bench(copied(Path(folder, str(number))), farthest, most))
        with ThreadPoolExecutor(workers) as pool:
            list(pool.map(one, ahead))
    caught = sum(each["caught"] for each in done.values())
    print(f"{caught} of {len(done)} faults caught: {results}")
    return len(wrong)


def compare(old: Path, new: Path) -> int:
    """Print which faults two suites caught; return 1 where the new one lets a fault pass that the old one caught."""
    found = [json.loads(path.read_text(encoding="utf-8")) for path in (old, new)]
    lost = []
    for name in dict.fromkeys([*found[0], *found[1]]):
        before, after = (each.get(name, {}) for each in found)
        lost += [name] if before.get("caught") and not after.get("caught") else []
        print(f"{'LOST' if name in lost[-1:] else 'ok':<5}{name}")
        for word, each in (("old", before), ("new", after)):
            print(f"       {word}: {(each.get('by') or 'not caught') if each else 'not tried'}")
    caught = [sum(each["caught"] for each in one.values()) for one in found]
    print(f"caught: old {caught[0]} of {len(found[0])}, new {caught[1]} of {len(found[1])}; lost: {len(lost)}")
    return int(bool(lost))


def show(faults: Iterable[Fault], farthest: int, most: int) -> int:
    """Print each fault, its place in this tree, and the tests that would be run."""
    imports, wrong = Imports(ROOT), 0
    for each in faults:
        try:
            place = locate(ROOT, each)
        except (ValueError, SyntaxError) as error:
            print(f"ERROR {error}")
            wrong += 1
            continue
        tests = tests_of(imports, place.path, farthest, most)
        print(f"{each.name}: {place.path}, {each.where or '(anywhere)'}")
        print(f"    {' '.join(Path(name).name for name in tests)}")
    return int(wrong > 0)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--only", nargs="+", metavar="NAME", help="these faults alone")
    parser.add_argument("--list", action="store_true", help="show the faults and the tests that reach them")
    parser.add_argument(
        "--results", type=Path, default=RESULTS, metavar="FILE", help="what it holds is not tried again"
    )
    parser.add_argument("--compare", nargs=2, type=Path, metavar=("OLD", "NEW"), help="two such files")
    parser.add_argument("--workers", type=int, default=2, help="how many faults at a time (default 2)")
    parser.add_argument("--farthest", type=int, default=FARTHEST, help=f"imports to the module (default {FARTHEST})")
    parser.add_argument("--most", type=int, default=MOST, help=f"test files of a fault (default {MOST})")
    given = parser.parse_args()
    if given.compare:
        return compare(*given.compare)
    unknown = set(given.only or ()) - {each.name for each in FAULTS}
    if unknown:
        parser.error(f"no fault is called {', '.join(sorted(unknown))}")
    faults = [each for each in FAULTS if not given.only or each.name in given.only]
    if given.list:
        return show(faults, given.farthest, given.most)
    return min(1, plant(faults, given.results, given.workers, given.farthest, given.most))


if __name__ == "__main__":
    sys.exit(main())
