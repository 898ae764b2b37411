"""Exercises of notebook 06: what a network costs."""

from edgelab.course.exercises._cases import light_networks as cases
from edgelab.course.exercises.engine.check import BODY, Boundary, Mistake, exercise

PLACES = "(-(-side // stride)) ** 2"
NORMALISED = "4 * (wide + wide + filters)"


@exercise(
    cases=cases.convolution_macs,
    hint="How many places has the kernel, along one side, when it moves by the stride? And over the whole image?",
    bug=(PLACES, "side**2 // stride"),
    mistakes=[
        Mistake(
            PLACES, "(side // stride) ** 2", 'with padding "same" the last place may hang over the edge, and it counts'
        ),
        Mistake(
            PLACES,
            "(side / stride) ** 2",
            'with padding "same" the last place may hang over the edge: a part of a place is a place, on each side',
        ),
        Mistake(
            PLACES,
            "int((side / stride) ** 2)",
            'with padding "same" the last place may hang over the edge: a part of a place is a place, on each side',
        ),
        Mistake(
            PLACES,
            "-(-(side**2) // stride**2)",
            'with padding "same" the last place may hang over the edge: a part of a place is a place, on each side',
        ),
        Mistake(PLACES, "(side // stride + 1) ** 2", "where the stride divides the side, no place is added"),
        Mistake(
            PLACES,
            "((side - kernel) // stride + 1) ** 2",
            'that is the number of places without padding; "same" has one for each step of the stride',
        ),
        Mistake(
            PLACES,
            "(max(side - kernel, 0) // stride + 1) ** 2",
            'that is the number of places without padding; "same" has one for each step of the stride',
        ),
        Mistake(PLACES, "-(-side // stride)", "an image has two sides, and the kernel moves along both"),
        Mistake(PLACES, "-(-side // stride) * side", "the stride makes both sides shorter, not one"),
        Mistake(PLACES, "side**2", "the stride leaves places out"),
        Mistake("places * ", "", "those are the products at one place"),
        Mistake("* channels", "", "each kernel reads all channels of the image, not one"),
        Mistake("* filters", "", "each filter has a kernel of its own, and reads the image once more"),
        Mistake("kernel**2", "kernel", "a kernel is a square of weights"),
        Mistake("* filters", "* filters * 2", "a multiply-accumulate is one, not two operations"),
        Mistake("* filters", "* filters + filters", "a bias is added, not multiplied: it is no multiply-accumulate"),
        Mistake(
            "* channels * filters",
            "* channels * filters + places * filters",
            "a bias is added, not multiplied: it is no multiply-accumulate",
        ),
    ],
    boundaries=[
        Boundary(lambda side, k, c, f, stride: side % stride > 0, "look at sides that the stride does not divide"),
        Boundary(lambda side, k, c, f, stride: side % stride == 0, "look at sides that the stride divides"),
        Boundary(lambda side, k, c, f, stride: stride > 1, "it is right for stride 1: how many places has a stride?"),
    ],
)
def convolution_macs(side: int, kernel: int, channels: int, filters: int, stride: int) -> int:
    """Return the MACs of a convolution on a square image, padding "same"; products with padding count.

    side: of the image. kernel: its side. channels: that come in. filters: channels that go out.
    """
    places = (-(-side // stride)) ** 2
    return places * kernel**2 * channels * filters


@exercise(
    cases=cases.peak_values,
    hint="Draw the tensors as boxes in a row. Which of them must exist while layer i runs, for i from a to b?",
    mistakes=[
        Mistake(" + sizes[a] * (a < i <= b)", "", "the tensor that is read again later must be kept until then"),
        Mistake("(a < i <= b)", "(a < i < b)", "while layer b runs it reads tensor a, so that must still be there"),
        Mistake("(a < i <= b)", "(a <= i <= b)", "while layer a runs, tensor a is its input: one copy of it is enough"),
        Mistake(
            "(a < i <= b)",
            "(a <= i < b)",
            "tensor a is kept besides while layers a + 1 to b run: before, it is the input; layer b reads it",
        ),
        Mistake("(a < i <= b)", "(a < i <= b + 1)", "after layer b, nothing reads tensor a"),
        Mistake("(a < i <= b)", "(a < i)", "after layer b, nothing reads tensor a"),
        Mistake(" * (a < i <= b)", "", "tensor a is kept from layer a to layer b, not all the time"),
        Mistake("(a < i <= b)", "(i == b)", "tensor a must be kept while the layers between a and b run, too"),
        Mistake("sizes[a] * (a", "sizes[b] * (a", "it is tensor a that is kept, not tensor b"),
        Mistake(
            "sizes[i] + sizes[i + 1] + ", "sizes[i + 1] + ", "a layer reads one tensor and writes another: both exist"
        ),
        Mistake("sizes[i] + sizes[i + 1] + ", "sizes[i] + ", "a layer reads one tensor and writes another: both exist"),
        Mistake("range(len(sizes) - 1)", "range(len(sizes) - 2)", "the last layer counts, too"),
        Mistake("range(len(sizes) - 1)", "range(1, len(sizes) - 1)", "the first layer counts, too"),
        Mistake("max(", "sum(", "memory is given back; the largest moment counts, not all of them together"),
        Mistake(BODY, "return sum(sizes)", "memory is given back; the largest moment counts, not all of them together"),
        Mistake(
            BODY,
            "a, b = skip\nreturn max(sizes[i] + sizes[i + 1] for i in range(len(sizes) - 1)) + sizes[a]",
            "tensor a is kept from layer a to layer b, not all the time",
        ),
    ],
    boundaries=[
        Boundary(lambda sizes, skip: skip[1] == skip[0] + 1, "look at a skip connection over one layer"),
        Boundary(lambda sizes, skip: skip[0] == 0, "look at a skip connection that begins at the input"),
        Boundary(lambda sizes, skip: skip[0] > 0, "look at a skip connection that does not begin at the input"),
    ],
)
def peak_values(sizes: list[int], skip: tuple[int, int]) -> int:
    """Return the most values that are live at once in a chain of layers with one skip connection.

    sizes: of the tensors. Layer i reads tensor i and writes tensor i + 1; the input is tensor 0. While a layer runs,
    what it reads and what it writes is live, and what a later layer reads. skip: (a, b), a < b: layer b also reads
    tensor a.
    """
    a, b = skip
    return max(sizes[i] + sizes[i + 1] + sizes[a] * (a < i <= b) for i in range(len(sizes) - 1))


@exercise(
    cases=cases.inverted_residual_params,
    hint="Three convolutions: 1×1 to the wide middle, depthwise in it, 1×1 out of it. Each has a normalisation.",
    mistakes=[
        Mistake(
            "kernel**2 * wide",
            "kernel**2 * wide * wide",
            "a depthwise layer has one kernel for each channel, it mixes nothing",
        ),
        Mistake("kernel**2 * wide", "kernel**2 * channels", "the depthwise layer works on the widened channels"),
        Mistake("kernel**2 * wide", "kernel * wide", "a kernel is a square of weights"),
        Mistake("kernel**2 * wide + ", "", "the depthwise layer has weights, too"),
        Mistake("channels * wide + k", "k", "the first 1×1 has weights, too"),
        Mistake(" + wide * filters", "", "the last 1×1 has weights, too"),
        Mistake("wide * filters", "channels * filters", "the last 1×1 reads the widened channels"),
        Mistake(
            NORMALISED,
            "2 * (wide + wide + filters)",
            "Keras also counts the two averages, of mean and variance, that a normalisation keeps for each channel",
        ),
        Mistake(NORMALISED, "4 * (wide + filters)", "three convolutions, three normalisations"),
        Mistake(NORMALISED, "4 * filters", "three convolutions, three normalisations"),
        Mistake(
            NORMALISED, "4 * (channels + wide + filters)", "a normalisation follows its convolution: count outputs"
        ),
        Mistake(NORMALISED, "4 * 3 * wide", "the last normalisation has the filters' channels"),
        Mistake(NORMALISED, "wide + wide + filters", "a normalisation has four numbers for each channel, not one"),
        Mistake(NORMALISED, "0", "the normalisations count as well"),
        Mistake(NORMALISED, "5 * (wide + wide + filters)", "with a normalisation, the convolutions have no biases"),
        Mistake("expansion * channels", "expansion", "the middle is `expansion` times as wide as the input"),
        Mistake("expansion * channels", "expansion * filters", "the middle is `expansion` times as wide as the input"),
    ],
    boundaries=[
        Boundary(lambda channels, filters, expansion, kernel: channels != filters, "channels and filters are mixed up")
    ],
)
def inverted_residual_params(channels: int, filters: int, expansion: int, kernel: int) -> int:
    """Return the parameters of MobileNetV2's block in Keras' count, BatchNorm included; expansion is 2 or more.

    A 1×1 widens the channels `expansion` times, a depthwise kernel×kernel follows, a 1×1 makes the filters. Each has no
    bias and is followed by BatchNorm.
    """
    wide = expansion * channels
    convolutions = channels * wide + kernel**2 * wide + wide * filters
    return convolutions + 4 * (wide + wide + filters)
