"""Paints balloon.png: a lake at dusk with a hot-air balloon, and a mask over the balloon in its alpha channel.

The picture belongs to this repository and is under its license. Run: python example_workflows/input/paint.py
"""

from pathlib import Path

import numpy as np
from PIL import Image

WIDTH, HEIGHT = 1024, 768
HORIZON = 470
SUN = (330.0, 430.0)
BALLOON = (690.0, 190.0, 74.0)  # x, y, radius in pixels
MASK_RADIUS = (118.0, 150.0)  # half width and half height of the ellipse over the balloon and its basket

y, x = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float64)


def mix(below: np.ndarray, above: np.ndarray, amount: np.ndarray) -> np.ndarray:
    return below + (above - below) * np.clip(amount, 0, 1)[..., None]


def ramp(position: np.ndarray, *stops: tuple[float, tuple[int, int, int]]) -> np.ndarray:
    places = [place for place, _ in stops]
    return np.stack([np.interp(position, places, [rgb[c] / 255 for _, rgb in stops]) for c in range(3)], axis=-1)


def edge(distance: np.ndarray, softness: float = 1.2) -> np.ndarray:
    """1 inside (distance below 0), 0 outside, with an antialiased border."""
    return np.clip(0.5 - distance / softness, 0, 1)


def ridge(seed: int, height: float, rough: float) -> np.ndarray:
    """A mountain skyline: octaves of smooth noise along x."""
    rng, line = np.random.default_rng(seed), np.zeros(WIDTH)
    for octave in range(7):
        knots = rng.random(3 * 2**octave + 2)
        line += np.interp(np.linspace(0, len(knots) - 1, WIDTH), np.arange(len(knots)), knots) * rough**octave
    return HORIZON - height * (line - line.min()) / np.ptp(line)


def sky_and_mountains() -> np.ndarray:
    picture = ramp(y, (0, (38, 44, 92)), (200, (108, 84, 140)), (340, (226, 130, 124)), (HORIZON, (255, 206, 142)))
    glow = np.hypot(x - SUN[0], (y - SUN[1]) * 1.25)
    picture = mix(picture, np.array([1.0, 0.86, 0.62]), 0.85 * np.exp(-glow / 130))
    picture = mix(picture, np.array([1.0, 0.96, 0.86]), edge(glow - 30))
    layers = ((3, 210, (158, 104, 134)), (8, 150, (112, 76, 118)), (21, 95, (70, 54, 96)), (5, 40, (38, 34, 66)))
    for place, (seed, height, rgb) in enumerate(layers):
        skyline = ridge(seed, height, 0.46)
        haze = np.clip((y - skyline) / 200, 0, 1)[..., None] * (0.5 - 0.1 * place)
        colour = np.array(rgb) / 255 + haze * (np.array([0.98, 0.7, 0.6]) - np.array(rgb) / 255)
        picture = mix(picture, colour, edge(skyline - y))
    return picture


def add_balloon(picture: np.ndarray) -> np.ndarray:
    cx, cy, radius = BALLOON
    across, down = (x - cx) / radius, (y - cy) / radius
    # Round above, drawn out to a point below.
    width = np.where(down < 0.25, np.sqrt(np.clip(1 - down**2, 0, None)), 1.16 * np.clip(1.42 - down, 0, None) ** 0.78)
    width = np.where(down < 0.25, width, np.minimum(width, 0.97))
    shape = edge((np.abs(across) - width) * radius) * edge((down - 1.3) * radius) * (down > -1.02)
    gore = np.floor((np.arcsin(np.clip(across / np.maximum(width, 1e-3), -1, 1)) / np.pi + 0.5) * 8).astype(int) % 2
    cloth = np.where(gore[..., None] == 0, np.array([0.86, 0.22, 0.2]), np.array([0.98, 0.88, 0.7]))
    light = np.clip(0.72 - 0.34 * across - 0.2 * down, 0.3, 1.15)[..., None]
    picture = mix(picture, np.clip(cloth * light, 0, 1), shape)
    for side in (-1, 1):
        rope = np.abs(x - (cx + side * np.interp(y, [cy + 96, cy + 118], [8, 11]))) - 0.8
        picture = mix(picture, np.array([0.2, 0.14, 0.16]), edge(rope) * (y > cy + 94) * (y < cy + 120))
    basket = np.maximum(np.abs(x - cx) - 13, np.abs(y - (cy + 128)) - 9)
    return mix(picture, np.array([0.4, 0.25, 0.18]), edge(basket))


def add_lake(picture: np.ndarray) -> np.ndarray:
    depth = np.clip(y - HORIZON, 0, None)
    ripple = np.sin(depth**0.72 * 2.2 + np.sin(x / 70 + depth / 9) * 1.1) * np.sqrt(depth) * 0.55
    source_y = np.clip(HORIZON - depth * 1.25 + ripple, 0, HORIZON - 1).astype(int)
    source_x = np.clip(x + ripple * 0.8, 0, WIDTH - 1).astype(int)
    water = picture[source_y, source_x] * np.interp(depth, [0, 300], [0.86, 0.5])[..., None]
    water = mix(water, np.array([0.12, 0.14, 0.3]), np.interp(depth, [0, 300], [0.05, 0.5]))
    return mix(picture, water, edge(HORIZON - y))


def pattern() -> np.ndarray:
    """A cloth of diamonds, 512 x 512."""
    down, across = np.mgrid[0:512, 0:512] / 64.0
    diamond = np.abs((across % 1) - 0.5) + np.abs((down % 1) - 0.5)
    cloth = mix(np.full((512, 512, 3), (0.06, 0.32, 0.36)), np.array([0.98, 0.78, 0.32]), edge((diamond - 0.42) * 64))
    return mix(cloth, np.array([0.86, 0.3, 0.26]), edge((diamond - 0.2) * 64))


def main() -> None:
    # The balloon comes last and has no reflection, so that replacing it leaves no trace in the water.
    colour = np.clip(add_balloon(add_lake(sky_and_mountains())), 0, 1)
    cx, cy, _ = BALLOON
    distance = np.hypot((x - cx) / MASK_RADIUS[0], (y - (cy + 22)) / MASK_RADIUS[1])
    alpha = np.clip((distance - 0.94) / 0.06, 0, 1)
    pixels = (np.dstack([colour, alpha]) * 255).round().astype(np.uint8)
    Image.fromarray(pixels).save(Path(__file__).with_name("balloon.png"), optimize=True)
    Image.fromarray((pattern() * 255).round().astype(np.uint8)).save(
        Path(__file__).with_name("pattern.png"), optimize=True
    )


if __name__ == "__main__":
    main()
