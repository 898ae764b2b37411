"""Random layers that pick, repeat, turn or join values: a part of `_random_tflite.Network`."""

from __future__ import annotations

from hypothesis import strategies as st

# On anything with a batch in front.
MOVES = {
    "slice": {"SLICE"},
    "strided_slice": {"STRIDED_SLICE"},
    "split": {"SPLIT"},
    "split_v": {"SPLIT_V"},
    "pack": {"PACK"},
    "unpack": {"UNPACK", "PACK"},
    "gather": {"GATHER"},
    "tile": {"TILE"},
    "broadcast": {"EXPAND_DIMS", "BROADCAST_TO"},
    "reverse": {"REVERSE_V2"},
    "mirror_pad": {"MIRROR_PAD"},
    "pad_value": {"PADV2"},
}
# On images only.
IMAGE_MOVES = {"space_to_depth": {"PAD", "SPACE_TO_DEPTH"}, "depth_to_space": {"CONCATENATION", "DEPTH_TO_SPACE"}}


class Moves:
    """Methods that add one layer each. self: a `Network`."""

    def axis(self) -> int:
        """Draw one of the axes behind the batch, counted from either end."""
        axis = self.draw(st.integers(1, len(self.shape)))
        return axis if self.maybe() else axis - len(self.shape) - 1

    def with_size(self, axis: int, size: int) -> tuple[int, ...]:
        """Return the shape with another size of one axis; counted with the batch."""
        shape = [1, *self.shape]
        shape[axis] = size
        return tuple(shape[1:])

    def slice(self) -> None:
        begin = [0, *(self.draw(st.integers(0, n - 1)) for n in self.shape)]
        size = [self.draw(st.integers(1, n - b)) for n, b in zip(self.shape, begin[1:], strict=True)]
        sizes = [
            1,
            *(-1 if self.maybe() and b + s == n else s for n, b, s in zip(self.shape, begin[1:], size, strict=True)),
        ]
        self.add_operator("SLICE", [self.indices(begin), self.indices(sizes)], size)

    def strided_slice(self) -> None:
        begin, end, strides, masks, shape = [0], [1], [1], {"beginMask": 0, "endMask": 0, "shrinkAxisMask": 0}, []
        masks = dict.fromkeys(("beginMask", "endMask", "shrinkAxisMask"), 0)
        for place, n in enumerate(self.shape, 1):
            first, step = self.draw(st.integers(-n, n - 1)), self.draw(st.sampled_from([1, 2, 3, -1, -2]))
            last = self.draw(st.integers(-n - 1, n + 1))
            open_begin, open_end = self.maybe(), self.maybe()
            kept = range(n)[slice(None if open_begin else first, None if open_end else last, step)]
            if len(kept) == 0:
                open_begin = open_end = True
                kept = range(n)[::step]
            shrink = len(shape) + len(self.shape) - place > 0 and self.draw(st.integers(0, 5)) == 0
            if shrink:
                first, last, step, open_begin, open_end = first % n, first % n + 1, 1, False, False
                masks["shrinkAxisMask"] |= 1 << place
            else:
                shape.append(len(kept))
            masks["beginMask"] |= open_begin << place
            masks["endMask"] |= open_end << place
            begin.append(first)
            end.append(last)
            strides.append(step)
        self.add_operator("STRIDED_SLICE", [self.indices(v) for v in (begin, end, strides)], shape, **masks)

    def pieces(self, kind, shapes, inputs, **options) -> None:
        """Add an operator with several outputs; one of them is the new x."""
        ys = [self.file.tensor((1, *shape), self.scale, self.zero_point) for shape in shapes]
        self.file.operator(kind, inputs, ys, **options)
        taken = self.draw(st.integers(0, len(ys) - 1))
        self.earlier.append((self.x, self.shape, self.scale, self.zero_point))
        self.x, self.shape = ys[taken], tuple(shapes[taken])

    def split(self) -> None:
        axis = self.axis()
        n = (1, *self.shape)[axis]
        parts = self.pick(*(k for k in (1, 2, 3, n) if n % k == 0))
        place = self.file.tensor((), dtype="int32", data=axis)
        self.pieces("SPLIT", [self.with_size(axis, n // parts)] * parts, [place, self.x], numSplits=parts)

    def split_v(self) -> None:
        axis = self.axis()
        n = (1, *self.shape)[axis]
        first = self.draw(st.integers(1, n))
        sizes = [first, n - first] if first < n else [n]
        place = self.file.tensor((), dtype="int32", data=axis)
        shapes = [self.with_size(axis, size) for size in sizes]
        self.pieces("SPLIT_V", shapes, [self.x, self.indices(sizes), place], numSplits=len(sizes))

    def pack(self) -> None:
        """Stack x and a constant, which makes one axis more."""
        if len(self.shape) > 3:  # some kernels take 5 axes at most
            return self.reverse()
        axis = self.draw(st.integers(1, len(self.shape) + 1))
        data = self.rng.integers(-128, 128, (1, *self.shape))
        other = self.file.tensor((1, *self.shape), self.scale, self.zero_point, data=data)
        shape = [1, *self.shape]
        shape.insert(axis, 2)
        return self.add_operator("PACK", [other], shape[1:], x_last=self.maybe(), axis=axis, valuesCount=2)

    def unpack(self) -> None:
        """Take x apart along an axis and put its parts together in another order."""
        axis = self.draw(st.integers(1, len(self.shape)))
        n = (1, *self.shape)[axis]
        shape = [1, *self.shape]
        del shape[axis]
        parts = [self.file.tensor(shape, self.scale, self.zero_point) for _ in range(n)]
        self.file.operator("UNPACK", [self.x], parts, num=n, axis=axis)
        y = self.file.tensor((1, *self.shape), self.scale, self.zero_point)
        self.file.operator("PACK", list(self.rng.permutation(parts)), [y], axis=axis, valuesCount=n)
        self.x = y

    def gather(self) -> None:
        axis = self.axis()
        n = (1, *self.shape)[axis]
        indices = self.rng.integers(0, n, self.draw(st.integers(1, 2 * n)))
        self.add_operator("GATHER", [self.indices(indices)], self.with_size(axis, len(indices)), axis=axis)

    def tile(self) -> None:
        times = [1, *(self.draw(st.integers(1, 3)) for _ in self.shape)]
        shape = [n * t for n, t in zip(self.shape, times[1:], strict=True)]
        self.add_operator("TILE", [self.indices(times)], shape)

    def broadcast(self) -> None:
        """Repeat x along an axis of 1 that is added for it."""
        if len(self.shape) > 3:
            return self.reverse()
        shape, axis = self.shape, self.draw(st.integers(1, len(self.shape) + 1))
        self.add_operator("EXPAND_DIMS", [self.indices(axis)], (*shape[: axis - 1], 1, *shape[axis - 1 :]))
        wide = (*shape[: axis - 1], self.draw(st.integers(1, 4)), *shape[axis - 1 :])
        return self.add_operator("BROADCAST_TO", [self.indices([1, *wide])], wide)

    def reverse(self) -> None:
        self.add_operator("REVERSE_V2", [self.indices([self.draw(st.integers(1, len(self.shape)))])], self.shape)

    def margins(self, most: list[int]) -> tuple[list[list[int]], list[int]]:
        """Draw margins of each axis, and the shape with them."""
        margins = [[0, 0], *([self.draw(st.integers(0, m)), self.draw(st.integers(0, m))] for m in most)]
        return margins, [n + sum(m) for n, m in zip(self.shape, margins[1:], strict=True)]

    def mirror_pad(self) -> None:
        symmetric = self.maybe()
        margins, shape = self.margins([min(3, n if symmetric else n - 1) for n in self.shape])
        self.add_operator("MIRROR_PAD", [self.indices(margins)], shape, mode=int(symmetric))

    def pad_value(self) -> None:
        margins, shape = self.margins([2] * len(self.shape))
        value = self.file.tensor((1,), self.scale, self.zero_point, data=[self.draw(st.integers(-128, 127))])
        self.add_operator("PADV2", [self.indices(margins), value], shape)

    def space_to_depth(self) -> None:
        """Pad the sides to multiples of the block first."""
        block = self.draw(st.integers(2, 3))
        height, width, channels = self.shape
        height, width = (-(-n // block) * block for n in (height, width))
        margins = [[0, 0], [0, height - self.shape[0]], [0, width - self.shape[1]], [0, 0]]
        self.add_operator("PAD", [self.indices(margins)], (height, width, channels))
        shape = (height // block, width // block, channels * block**2)
        self.add_operator("SPACE_TO_DEPTH", [], shape, blockSize=block)

    def depth_to_space(self) -> None:
        """Take the channels four times first."""
        height, width, channels = self.shape
        joined = (height, width, 4 * channels)
        self.add_operator("CONCATENATION", [self.x] * 3, joined, axis=3)
        self.add_operator("DEPTH_TO_SPACE", [], (2 * height, 2 * width, channels), blockSize=2)
