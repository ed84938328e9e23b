"""A log-log line chart as SVG, light and readable, from numbers alone."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from xml.sax.saxutils import escape

#: Apart for colour-blind eyes too (Okabe and Ito), the first for kpolicy.
COLOURS = ("#0072b2", "#56b4e9", "#009e73", "#e69f00", "#d55e00", "#cc79a7", "#999999", "#000000")
DASHES = ("", "6 3", "2 3")
_WIDTH, _HEIGHT = 760, 440
_LEFT, _RIGHT, _TOP, _BOTTOM = 70, 200, 44, 56

Points = Sequence[tuple[float, float]]


def chart(title: str, across: str, up: str, series: Mapping[str, Points]) -> str:
    """Return the chart of `series`: positive (x, y) by name, in the order of the legend.

    Raises ValueError where there is no point to draw.
    """
    every = [point for points in series.values() for point in points]
    if not every:
        raise ValueError("nothing to draw")
    x_low, x_high = _decades([x for x, _ in every])
    y_low, y_high = _decades([y for _, y in every])

    def at(x: float, y: float) -> tuple[float, float]:
        right = (math.log10(x) - x_low) / (x_high - x_low) * (_WIDTH - _LEFT - _RIGHT)
        above = (math.log10(y) - y_low) / (y_high - y_low) * (_HEIGHT - _TOP - _BOTTOM)
        return _LEFT + right, _HEIGHT - _BOTTOM - above

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" '
        f'font-family="sans-serif" font-size="12"><title>{escape(title)}</title>',
        '<rect width="100%" height="100%" fill="white"/>',
        f'<text x="{_LEFT}" y="22" font-size="15" font-weight="bold">{escape(title)}</text>',
    ]
    for power in range(x_low, x_high + 1):
        x, bottom = at(10**power, 10**y_low)
        _, top = at(10**power, 10**y_high)
        parts.append(f'<path d="M{x:.1f} {bottom:.1f}V{top:.1f}" stroke="#e4e4e4"/>')
        parts.append(_text(x, bottom + 18, f"{10**power:,}", "middle"))
    for power in range(y_low, y_high + 1):
        left, y = at(10**x_low, 10**power)
        right, _ = at(10**x_high, 10**power)
        parts.append(f'<path d="M{left:.1f} {y:.1f}H{right:.1f}" stroke="#e4e4e4"/>')
        parts.append(_text(left - 8, y + 4, f"{10.0**power:g}", "end"))
    middle = _LEFT + (_WIDTH - _LEFT - _RIGHT) / 2
    parts.append(_text(middle, _HEIGHT - 14, across, "middle"))
    height = _TOP + (_HEIGHT - _TOP - _BOTTOM) / 2
    parts.append(
        f'<text x="18" y="{height:.1f}" text-anchor="middle" '
        f'transform="rotate(-90 18 {height:.1f})">{escape(up)}</text>'
    )
    labels: list[tuple[float, str, str]] = []
    for number, (name, points) in enumerate(series.items()):
        if not points:
            continue
        colour = COLOURS[number % len(COLOURS)]
        dash = DASHES[number // len(COLOURS) % len(DASHES)]
        placed = [at(x, y) for x, y in sorted(points)]
        line = " ".join(f"{x:.1f},{y:.1f}" for x, y in placed)
        style = f' stroke-dasharray="{dash}"' if dash else ""
        parts.append(
            f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2"{style}/>'
        )
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in placed]
        labels.append((placed[-1][1], name, colour))
    parts += _legend(labels)
    return "\n".join([*parts, "</svg>"]) + "\n"


def _decades(values: Sequence[float]) -> tuple[int, int]:
    """Return the powers of ten around `values`, at least one decade apart."""
    low = math.floor(math.log10(min(values)))
    return low, max(low + 1, math.ceil(math.log10(max(values))))


def _text(x: float, y: float, text: str, anchor: str, colour: str = "#333") -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}">'
        f"{escape(text)}</text>"
    )


def _legend(labels: list[tuple[float, str, str]]) -> list[str]:
    """Return the names beside the ends of their lines, moved apart where they would touch."""
    parts, lowest = [], 0.0
    for y, name, colour in sorted(labels):
        lowest = max(y, lowest + 15)
        parts.append(_text(_WIDTH - _RIGHT + 12, lowest + 4, name, "start", colour))
    return parts
