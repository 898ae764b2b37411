"""README's picture: a digit, a kernel as floats and as integers, and the logits, all taken from the shipped model."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

WIDTH, HEIGHT, TOP = 920, 270, 62  # the drawing's own units
LEFT = (24, 258, 478, 706)  # where the four panels begin; each is SIDE wide
SIDE = 168
INK, BLUE, ORANGE = "#111111", "#0072B2", "#D55E00"  # on white, whatever the page's own background is


def draw_pipeline(
    image: np.ndarray, kernel: np.ndarray, q: np.ndarray, scale: float, logits: np.ndarray, captions: Iterable[str]
) -> str:
    """Return an SVG of four panels: image, float kernel, the same kernel in int8, logits. It needs no other file.

    image: uint8 (28, 28). kernel: float (3, 3). q: int8 (3, 3), with kernel about scale * q. logits: int8 (10,).
    captions: four, one below each panel. The text is the same, byte for byte, on every machine.

    >>> zeros = np.zeros((3, 3))
    >>> svg = draw_pipeline(np.zeros((28, 28), np.uint8), zeros, zeros.astype(int), 0.5, np.arange(10), "abcd")
    >>> svg.count("<text"), svg.endswith("</svg>\\n")
    (46, True)
    """
    titles = ("28 × 28 pixels", "a kernel, float32", f"int8, × {scale:.5f}", "ten logits, int8")
    heads = zip(LEFT, titles, captions, strict=True)
    parts = [
        f'<text x="{x + SIDE / 2:g}" y="{y}" text-anchor="middle"{style}>{text}</text>'
        for x, title, caption in heads
        for y, text, style in ((42, title, ' font-weight="bold"'), (TOP + SIDE + 26, caption, f' fill="{BLUE}"'))
    ]
    arrows = "".join(f"M{left + SIDE + 9} {TOP + SIDE // 2}h30m-9-6 9 6-9 6" for left in LEFT[:3])
    parts += _pixels(image, LEFT[0], SIDE / len(image))
    parts += _numbers(
        [[f"{round(float(w), 2) + 0.0:.2f}".replace("-", "−") for w in row] for row in kernel], q, LEFT[1]
    )
    parts += _numbers([[f"{w}".replace("-", "−") for w in row] for row in q.tolist()], q, LEFT[2])
    parts += _bars(logits, LEFT[3])
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="system-ui, sans-serif" '
        f'font-size="16" fill="{INK}" role="img">\n<title>From pixels to logits</title>\n'
        f'<rect width="{WIDTH}" height="{HEIGHT}" rx="10" fill="#ffffff"/>\n'
        + "\n".join(parts)
        + f'\n<path d="{arrows}" stroke="{BLUE}" stroke-width="2.5" fill="none"/>\n</svg>\n'
    )


def _pixels(image: np.ndarray, left: int, step: float) -> list[str]:
    """Return a black square, and on it a square in its own grey for each pixel that is not black."""
    squares = [f'<g shape-rendering="crispEdges"><rect x="{left}" y="{TOP}" width="{SIDE}" height="{SIDE}"/>']
    for row, column in np.argwhere(image):
        grey = f"#{image[row, column]:02x}" + f"{image[row, column]:02x}" * 2
        squares.append(
            f'<rect x="{left + column * step:g}" y="{TOP + row * step:g}" width="{step:g}" height="{step:g}" '
            f'fill="{grey}"/>'
        )
    return [*squares, "</g>"]


def _numbers(words: list[list[str]], q: np.ndarray, left: int) -> list[str]:
    """Return a grid of numbers; the larger the weight, the stronger the colour: blue above 0, orange below."""
    cell, parts = SIDE // 3, []
    for (row, column), value in np.ndenumerate(q):
        x, y = left + column * cell, TOP + row * cell
        look = f'fill="{BLUE if value >= 0 else ORANGE}" fill-opacity="{abs(int(value)) / 127 * 0.4:.2f}"'
        parts.append(f'<rect x="{x}" y="{y}" width="{cell}" height="{cell}" {look} stroke="#999999"/>')
        parts.append(
            f'<text x="{x + cell / 2:g}" y="{y + cell / 2 + 6:g}" text-anchor="middle">{words[row][column]}</text>'
        )
    return parts


def _bars(logits: np.ndarray, left: int) -> list[str]:
    """Return one bar for each class, with length 0 for -128; the largest is orange."""
    step, parts = SIDE / len(logits), []
    for digit, value in enumerate(logits.tolist()):
        y, length = TOP + digit * step, (value + 128) * (SIDE - 60) / 255
        colour = ORANGE if digit == int(np.argmax(logits)) else BLUE
        word = f"{value}".replace("-", "−")
        parts.append(f'<text x="{left}" y="{y + step - 3:g}" font-size="14">{digit}</text>')
        parts.append(
            f'<rect x="{left + 16}" y="{y + 3:g}" width="{length:.1f}" height="{step - 5:g}" fill="{colour}"/>'
        )
        parts.append(f'<text x="{left + 22 + length:.1f}" y="{y + step - 3:g}" font-size="14">{word}</text>')
    return parts
