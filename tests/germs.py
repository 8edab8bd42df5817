"""Germs of known class, in random coordinates and with noise on their Taylor coefficients."""

from __future__ import annotations

import numpy as np

from zeeman.spectra import Taylor
from zeeman.spectra.truncated import truncated

NORMAL_FORMS: dict[str, tuple[dict[tuple[int, ...], float], int]] = {
    **{f"A{k}": ({(k + 1, 0): 1.0, (0, 2): 1.0}, 8) for k in range(1, 8)},
    "D4": ({(2, 1): 1.0, (0, 3): -1.0}, 6),
    **{f"D{k}": ({(2, 1): 1.0, (0, k - 1): 1.0}, 8) for k in (5, 6, 7)},
    "E6": ({(3, 0): 1.0, (0, 4): 1.0}, 6),
    "E7": ({(3, 0): 1.0, (1, 3): 1.0}, 6),
    "E8": ({(3, 0): 1.0, (0, 5): 1.0}, 6),
    "X9": ({(4, 0): 1.0, (0, 4): 1.0, (2, 2): 0.5}, 5),
    "P8": ({(3, 0, 0): 1.0, (0, 3, 0): 1.0, (0, 0, 3): 1.0, (1, 1, 1): 0.5}, 4),
}
"""Terms, and the degree to which coefficients are known."""


def noisy_germ(name: str, noise: float, rng: np.random.Generator) -> Taylor:
    """A germ of a class by a random rotation, stretching and change of second and third order, the largest term 1.

    Every coefficient but the constant gets independent noise.
    """
    terms, degree = NORMAL_FORMS[name]
    n = len(next(iter(terms)))
    ring = truncated(n, degree)
    form = np.zeros(len(ring))
    for exponent, value in terms.items():
        sign = rng.choice([-1.0, 1.0]) if name[0] == "A" else 1.0
        form[ring.place(*exponent)] = value * rng.uniform(0.5, 1.5) * sign
    turn = np.linalg.qr(rng.normal(size=(n, n)))[0] @ np.diag(rng.uniform(0.7, 1.4, n))
    images = []
    for row in turn:
        image = np.zeros(len(ring))
        image[1 : 1 + n] = row
        for order, size in ((2, 0.3), (3, 0.1)):
            image[ring.degrees == order] = size * rng.normal(size=int((ring.degrees == order).sum()))
        images.append(image)
    c = ring.substitution(images, ring) @ form
    known = ring.degrees >= 1
    c = c / np.abs(c).max() + noise * rng.normal(size=len(c)) * known
    return Taylor(n, degree, c, np.diag(noise**2 * known))
