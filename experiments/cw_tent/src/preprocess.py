"""The data: CIFAR-10-C as published, CIFAR-10 to train on, and Digits-C, which needs no download.

Images are uint8 (N, 3, H, W) in memory; a batch is a slice of them, made floating point by `normalise`. `Images.origin` says where numbers
come from: "official" (files with the published MD5 sums), "regenerated" (other files of CIFAR-10-C), "copy" (CIFAR-10 in another form than
the published one) or "digits".

The generator of corruptions is our own. That of the published files draws with a dozen libraries, ImageMagick among them, image by image
and from no seed; the package imagecorruptions has the constants of ImageNet-C, which are far stronger (Gaussian noise of severity 5: 0.38
there, 0.10 here) and fails on images of 32x32 pixels.

Sources: Hendrycks and Dietterich, "Benchmarking Neural Network Robustness to Common Corruptions and Perturbations", ICLR 2019 (corruptions
and constants for CIFAR; https://zenodo.org/records/2535967); Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", 2009;
Alpaydin and Kaynak, "Optical Recognition of Handwritten Digits", UCI, 1998 (the digits, as scikit-learn ships them).
"""

from __future__ import annotations

import difflib
import io
import logging
import math
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pooch
import torch
from omegaconf import DictConfig, ListConfig
from PIL import Image
from scipy import ndimage
from sklearn.datasets import load_digits
from torchvision.datasets import CIFAR10
from torchvision.transforms.v2.functional import normalize

logger = logging.getLogger(__name__)

# The fifteen corruptions of the evaluation, in the order of the published tables.
STANDARD = (
    "gaussian_noise", "shot_noise", "impulse_noise", "defocus_blur", "glass_blur", "motion_blur",
    "zoom_blur", "snow", "frost", "fog", "brightness", "contrast",
    "elastic_transform", "pixelate", "jpeg_compression",
)  # fmt: skip
# Made by the same authors to choose hyper-parameters by; `all` leaves them out, and a run that searches may not name them.
HELD_OUT = ("speckle_noise", "gaussian_blur", "spatter", "saturate")
SEVERITIES = 5

OFFICIAL, REGENERATED, COPY, DIGITS = "official", "regenerated", "copy", "digits"

CIFAR_CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
SIZE, DIGITS_TRAIN = 32, 1000  # pixels of both data sets; of 1,797 digits
# Each digit fills the middle of its image, and ink and paper are greys: with black and white at full size, noise and blurs are harmless.
DIGITS_INNER, DIGITS_PAPER, DIGITS_INK = 24, 48, 208

# What the data themselves draw is the same for every run, whatever its seed.
DIGITS_SEED, TEST_SEED, SEARCH_SEED, SEARCH_CHOICE_SEED, FROST_SEED = 0, 0, 1, 2, 3


class DataError(Exception):
    """The data can't be had or can't be right; the text says what, where, and what to do."""


@dataclass(frozen=True, eq=False)
class Images:
    """Images with their labels: uint8 (N, 3, H, W), contiguous, and int64 (N,)."""

    images: torch.Tensor
    labels: torch.Tensor
    origin: str

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, chosen: torch.Tensor | slice) -> Images:
        return Images(self.images[chosen], self.labels[chosen], self.origin)


def make_images(images: np.ndarray, labels: Any, origin: str) -> Images:
    """Images from an array (N, H, W, 3)."""
    tensor = torch.from_numpy(np.array(images.transpose(0, 3, 1, 2), order="C"))
    return Images(tensor, torch.from_numpy(np.array(labels, np.int64)), origin)


def normalise(images: torch.Tensor, mean: Any, std: Any) -> torch.Tensor:
    """(x/255 − mean) / std of uint8 images (N, 3, H, W), fp32."""
    return normalize(images.float() / 255, list(mean), list(std))


# ----------------------------------------------------------------------------------------------------------------- corruptions
#
# Each takes images (B, H, W, 3) uint8, the constants of a severity and a generator, and returns values from 0 to 255. Fractions are cut
# off, not rounded, as in the published files.

BLOCK = 256  # images that are corrupted together: bounds the memory, and fixes what each image draws

Corruption = Callable[[np.ndarray, Any, np.random.Generator], np.ndarray]
CORRUPTIONS: dict[str, tuple[Corruption, tuple[Any, ...]]] = {}


def corruption(*constants: Any) -> Callable[[Corruption], Corruption]:
    """Register a corruption with its constants for severities 1 to 5."""

    def register(make: Corruption) -> Corruption:
        CORRUPTIONS[make.__name__] = (make, constants)
        return make

    return register


@corruption(0.04, 0.06, 0.08, 0.09, 0.10)
def gaussian_noise(x: np.ndarray, scale: float, rng: np.random.Generator) -> np.ndarray:
    """Add Gaussian noise, each channel for itself."""
    return x + 255 * scale * rng.standard_normal(x.shape, np.float32)


@corruption(500, 250, 100, 75, 50)
def shot_noise(x: np.ndarray, photons: float, rng: np.random.Generator) -> np.ndarray:
    """Poisson noise, with `photons` of them for a white pixel."""
    return rng.poisson(x / 255.0 * photons) / photons * 255


@corruption(0.01, 0.02, 0.03, 0.05, 0.07)
def impulse_noise(x: np.ndarray, amount: float, rng: np.random.Generator) -> np.ndarray:
    """Salt and pepper: a share of all values becomes black or white, each channel for itself."""
    hit = rng.random(x.shape, np.float32) < amount
    salt = rng.random(x.shape, np.float32) < 0.5
    return np.where(hit, np.where(salt, 255, 0), x)


@corruption(0.06, 0.1, 0.12, 0.16, 0.2)
def speckle_noise(x: np.ndarray, scale: float, rng: np.random.Generator) -> np.ndarray:
    """Multiply by Gaussian noise about 1."""
    return x * (1 + scale * rng.standard_normal(x.shape, np.float32))


def smooth(x: np.ndarray, sigma: float, mode: str = "nearest", truncate: float = 4.0) -> np.ndarray:
    """Gaussian blur of axes 1 and 2 of (B, H, W) or (B, H, W, C)."""
    return ndimage.gaussian_filter(x, (0, sigma, sigma, 0)[: x.ndim], mode=mode, truncate=truncate)


@corruption(0.4, 0.6, 0.7, 0.8, 1)
def gaussian_blur(x: np.ndarray, sigma: float, rng: np.random.Generator) -> np.ndarray:
    """Blur with a Gaussian kernel."""
    return smooth(x / 255.0, sigma) * 255


@corruption((0.05, 1), (0.25, 1), (0.4, 1), (0.25, 2), (0.4, 2))  # sigma, passes
def glass_blur(x: np.ndarray, constants: tuple[float, int], rng: np.random.Generator) -> np.ndarray:
    """Blur, move pixels about, blur again.

    The published loop means to swap a pixel with a neighbour one up, one left or both, but its swap of two views only copies the neighbour;
    it goes from the bottom right to the top left, so it always copies what it has not changed yet. One gather does the same.
    """
    sigma, passes = constants
    x = np.floor(np.clip(smooth(x / 255.0, sigma), 0, 1) * 255)
    count, height, width = x.shape[:3]
    image = np.arange(count)[:, None, None]
    rows, columns = np.mgrid[2:height, 2:width]
    for _ in range(passes):
        moves = rng.integers(-1, 1, (2, count, height - 2, width - 2))
        moved = x.copy()
        moved[:, 2:, 2:] = x[image, rows + moves[0], columns + moves[1]]
        x = moved
    return smooth(x / 255.0, sigma) * 255


@corruption((0.3, 0.4), (0.4, 0.5), (0.5, 0.6), (1, 0.2), (1.5, 0.1))  # radius, blur of the disk's edge
def defocus_blur(x: np.ndarray, constants: tuple[float, float], rng: np.random.Generator) -> np.ndarray:
    """Convolve with a disk whose edge is softened by a 3x3 Gaussian kernel; borders are mirrored."""
    radius, alias_blur = constants
    offsets = np.arange(-8, 9)
    disk = (offsets[:, None] ** 2 + offsets**2 <= radius**2).astype(float)
    edge = np.exp(-(np.arange(-1, 2) ** 2) / (2 * alias_blur**2))
    kernel = ndimage.convolve(disk / disk.sum(), np.outer(edge, edge) / edge.sum() ** 2, mode="mirror")
    return ndimage.correlate(x / 255.0, kernel[5:12, 5:12][None, :, :, None], mode="mirror") * 255  # the rest of it is zeros


def motion(x: np.ndarray, radius: int, sigma: float, angles: np.ndarray) -> np.ndarray:
    """Blur (B, H, W, C) along a line at an angle (B,) in degrees each, as ImageMagick does.

    The kernel is one half of a Gaussian, sampled along the line at the nearest pixels; borders are repeated.
    """
    taps = np.arange(2 * radius + 1)
    weights = np.exp(-(taps**2) / (2.0 * sigma**2))
    weights /= weights.sum()
    right = np.ceil(taps * np.cos(np.deg2rad(angles))[:, None] - 0.5).astype(int)
    down = np.ceil(taps * np.sin(np.deg2rad(angles))[:, None] - 0.5).astype(int)
    count, height, width = x.shape[:3]
    image = np.arange(count)[:, None, None]
    blurred = np.zeros(x.shape, np.float64)
    for tap in taps[weights > 1e-7]:
        rows = np.clip(np.arange(height) + down[:, tap, None], 0, height - 1)[:, :, None]
        columns = np.clip(np.arange(width) + right[:, tap, None], 0, width - 1)[:, None, :]
        blurred += weights[tap] * x[image, rows, columns]
    return np.rint(blurred)  # it hands on whole numbers


@corruption((6, 1), (6, 1.5), (6, 2), (8, 2), (9, 2.5))  # radius, sigma
def motion_blur(x: np.ndarray, constants: tuple[int, float], rng: np.random.Generator) -> np.ndarray:
    """Blur along a line, each image at an angle of its own."""
    return motion(x, *constants, rng.uniform(-45, 45, len(x)))


def zoom_matrix(size: int, factor: float) -> np.ndarray:
    """The (size, size) matrix that enlarges the middle of a row of pixels by linear interpolation.

    As scipy's zoom does it: end points stay end points, so the true factor is a little off, and what is too much is cut off.
    """
    kept = math.ceil(size / factor)
    enlarged = round(kept * factor)
    positions = np.arange(size) + (enlarged - size) // 2
    positions = np.minimum(positions * (kept - 1) / (enlarged - 1), kept - 1)
    left = np.minimum(positions.astype(int), kept - 2)
    matrix = np.zeros((size, size))
    start = (size - kept) // 2
    matrix[np.arange(size), start + left] = 1 - (positions - left)
    matrix[np.arange(size), start + left + 1] += positions - left
    return matrix


@cache
def zoom_blur_map(height: int, width: int, limit: float) -> np.ndarray:
    """The mean over all zooms as one linear map of flattened images, (H·W, H·W)."""
    factors = np.arange(1, limit, 0.01)
    total = np.eye(height * width) + sum(np.kron(zoom_matrix(height, factor), zoom_matrix(width, factor)) for factor in factors)
    return (total / (len(factors) + 1)).astype(np.float32)


@corruption(1.06, 1.11, 1.16, 1.21, 1.26)
def zoom_blur(x: np.ndarray, limit: float, rng: np.random.Generator) -> np.ndarray:
    """Take the mean of the image and of enlargements of its middle."""
    count, height, width, channels = x.shape
    planes = np.ascontiguousarray(x.transpose(0, 3, 1, 2), np.float32).reshape(-1, height * width)
    blurred = planes @ zoom_blur_map(height, width, limit).T
    return blurred.reshape(count, channels, height, width).transpose(0, 2, 3, 1) + 1e-3  # rounding errors must not cut a whole step off


# Mean and scale of the noise, zoom, threshold, radius and sigma of the fall, share of the image that is kept.
@corruption(
    (0.1, 0.2, 1, 0.6, 8, 3, 0.95), (0.1, 0.2, 1, 0.5, 10, 4, 0.9), (0.15, 0.3, 1.75, 0.55, 10, 4, 0.9),
    (0.25, 0.3, 2.25, 0.6, 12, 6, 0.85), (0.3, 0.3, 1.25, 0.65, 14, 12, 0.8),
)  # fmt: skip
def snow(x: np.ndarray, constants: tuple[float, ...], rng: np.random.Generator) -> np.ndarray:
    """Whiten the image and let flakes fall: blurred noise, and the same turned by 180 degrees."""
    mean, scale, zoom, threshold, radius, sigma, keep = constants
    count, height, width = x.shape[:3]
    flakes = rng.normal(mean, scale, (count, height, width))
    flakes = zoom_matrix(height, zoom) @ flakes @ zoom_matrix(width, zoom).T
    flakes[flakes < threshold] = 0
    flakes = np.floor(np.clip(flakes, 0, 1) * 255)[..., None]
    flakes = motion(flakes, int(radius), sigma, rng.uniform(-135, -45, count))
    grey = (x @ np.array([0.299, 0.587, 0.114]))[..., None]
    return keep * x + (1 - keep) * np.maximum(x, grey * 1.5 + 127.5) + flakes + flakes[:, ::-1, ::-1]


# Textures: mean colour, deviation of its values, decay of the amplitudes with the frequency, skewness (dark specks or bright crystals).
FROST_TEXTURES = (
    ((135, 153, 165), 27, 0.65, -0.1),
    ((198, 202, 211), 18, 0.70, -0.4),
    ((70, 144, 161), 15, 1.00, 0.2),
    ((214, 216, 222), 16, 0.65, -0.4),
    ((94, 105, 117), 33, 0.60, 0.3),
)
FROST_SHAPE = (192, 256)


@cache
def frost_textures() -> np.ndarray:
    """Synthetic frost, (5, 192, 256, 3): creased noise with a falling spectrum, coloured.

    The published files use photographs, which do not come with the code; these have about their colours, contrast and spectra.
    """
    rng = np.random.default_rng(FROST_SEED)
    frequency = np.hypot(np.fft.fftfreq(FROST_SHAPE[0])[:, None] * SIZE, np.fft.fftfreq(FROST_SHAPE[1]) * SIZE)

    def standard(values: np.ndarray) -> np.ndarray:
        return (values - values.mean()) / values.std()

    textures = []
    for colour, deviation, decay, skewness in FROST_TEXTURES:
        spectra = [np.fft.fft2(rng.standard_normal(FROST_SHAPE)) / np.maximum(frequency, 0.5) ** decay for _ in range(2)]
        hills, creases = (standard(np.fft.ifft2(spectrum).real) for spectrum in spectra)
        height = hills + 0.7 * standard(-np.abs(creases))  # creases are thin bright lines
        height = standard(np.exp(skewness * height / height.std()) / skewness)
        textures.append(np.array(colour) + deviation * height[..., None])
    return np.clip(np.stack(textures), 0, 255)


@corruption((1, 0.2), (1, 0.3), (0.9, 0.4), (0.85, 0.4), (0.75, 0.45))  # shares of the image and of the texture
def frost(x: np.ndarray, constants: tuple[float, float], rng: np.random.Generator) -> np.ndarray:
    """Lay a random piece of a texture over each image."""
    keep, strength = constants
    count, height, width = x.shape[:3]
    which = rng.integers(0, len(FROST_TEXTURES), count)
    top = rng.integers(0, FROST_SHAPE[0] - height + 1, count)
    left = rng.integers(0, FROST_SHAPE[1] - width + 1, count)
    rows = (top[:, None] + np.arange(height))[:, :, None]
    columns = (left[:, None] + np.arange(width))[:, None, :]
    return keep * x + strength * frost_textures()[which[:, None, None], rows, columns]


def plasma(count: int, size: int, decay: float, rng: np.random.Generator) -> np.ndarray:
    """Fractal height maps (count, size, size), 0 to 1, by diamond-square; `size` a power of two."""
    heights = np.zeros((count, size, size))
    step, wobble = size, 100.0

    def jitter(corners: np.ndarray) -> np.ndarray:
        return corners / 4 + wobble * rng.uniform(-wobble, wobble, corners.shape)

    while step >= 2:
        half = step // 2
        corners = heights[:, ::step, ::step]
        rows = corners + np.roll(corners, -1, 1)
        heights[:, half::step, half::step] = jitter(rows + np.roll(rows, -1, 2))
        middles = heights[:, half::step, half::step]
        heights[:, ::step, half::step] = jitter(middles + np.roll(middles, 1, 1) + corners + np.roll(corners, -1, 2))
        heights[:, half::step, ::step] = jitter(middles + np.roll(middles, 1, 2) + corners + np.roll(corners, -1, 1))
        step //= 2
        wobble /= decay
    heights -= heights.min((1, 2), keepdims=True)
    return heights / heights.max((1, 2), keepdims=True)


@corruption((0.2, 3), (0.5, 3), (0.75, 2.5), (1, 2), (1.5, 1.75))  # strength, decay
def fog(x: np.ndarray, constants: tuple[float, float], rng: np.random.Generator) -> np.ndarray:
    """Add a plasma fractal and scale back, so that the brightest value stays about what it was."""
    strength, decay = constants
    count, height, width = x.shape[:3]
    size = 1 << (max(SIZE, height, width) - 1).bit_length()
    brightest = x.max((1, 2, 3), keepdims=True) / 255.0
    hazy = x / 255.0 + strength * plasma(count, size, decay, rng)[:, :height, :width, None]
    return hazy * brightest / (brightest + strength) * 255


@corruption(0.05, 0.1, 0.15, 0.2, 0.3)
def brightness(x: np.ndarray, amount: float, rng: np.random.Generator) -> np.ndarray:
    """Add to the value of HSV; hue and saturation stay, so all three channels scale alike."""
    value = x.max(-1, keepdims=True) / 255.0
    brighter = np.clip(value + amount, 0, 1)
    return np.where(value > 0, x * (brighter / np.maximum(value, 1 / 255)), brighter * 255)


@corruption(0.75, 0.5, 0.4, 0.3, 0.15)
def contrast(x: np.ndarray, amount: float, rng: np.random.Generator) -> np.ndarray:
    """Draw the values of each channel to its mean over the image."""
    x = x / 255.0
    means = x.mean((1, 2), keepdims=True)
    return ((x - means) * amount + means) * 255


@corruption((0.3, 0), (0.1, 0), (1.5, 0), (2, 0.1), (2.5, 0.2))  # factor, shift
def saturate(x: np.ndarray, constants: tuple[float, float], rng: np.random.Generator) -> np.ndarray:
    """Scale and shift the saturation of HSV; grey turns red, as in the published files."""
    factor, shift = constants
    value = x.max(-1, keepdims=True).astype(np.float64)
    spread = value - x.min(-1, keepdims=True)
    saturation = spread / np.maximum(value, 1)
    wanted = np.clip(saturation * factor + shift, 0, 1)
    tinted = value - (value - x) * (wanted / np.maximum(saturation, 1e-9))
    red = value * (1 - wanted * np.array([0, 1, 1]))
    return np.where(spread > 0, tinted, red)


@corruption(80, 65, 58, 50, 40)
def jpeg_compression(x: np.ndarray, quality: int, rng: np.random.Generator) -> np.ndarray:
    """Compress and decompress."""

    def compressed(image: np.ndarray) -> np.ndarray:
        stream = io.BytesIO()
        Image.fromarray(image).save(stream, "JPEG", quality=quality)
        return np.asarray(Image.open(stream))

    return np.stack([compressed(image) for image in x])


@corruption(0.95, 0.9, 0.85, 0.75, 0.65)
def pixelate(x: np.ndarray, factor: float, rng: np.random.Generator) -> np.ndarray:
    """Make the image small by means over boxes, and large again."""
    height, width = x.shape[1:3]
    small, full, box = (int(width * factor), int(height * factor)), (width, height), Image.Resampling.BOX
    return np.stack([np.asarray(Image.fromarray(image).resize(small, box).resize(full, box)) for image in x])


# Strength and sigma of the noise, reach of the affine map, as shares of the image's size.
@corruption((0, 0, 0.08), (0.05, 0.2, 0.07), (0.08, 0.06, 0.06), (0.1, 0.04, 0.05), (0.1, 0.03, 0.03))
def elastic_transform(x: np.ndarray, constants: tuple[float, float, float], rng: np.random.Generator) -> np.ndarray:
    """Move three points of the image (an affine map), then every pixel by smoothed noise."""
    count, height, width = x.shape[:3]
    strength, sigma, affine = (min(height, width) * constant for constant in constants)
    middle, reach = np.array([height // 2, width // 2]), min(height, width) // 3
    points = np.float32([middle + reach, [middle[0] + reach, middle[1] - reach], middle - reach])
    moved = (points + rng.uniform(-affine, affine, (count, 3, 2))).astype(np.float32)
    noise = rng.uniform(-1, 1, (2, count, height, width))
    across, down = (smooth(values, sigma, "reflect", 3.0) * strength for values in noise)
    rows, columns, channels = np.mgrid[:height, :width, : x.shape[3]]
    result = np.empty(x.shape)
    for place, image in enumerate(x.astype(np.float32)):
        matrix = cv2.getAffineTransform(points, moved[place])
        warped = cv2.warpAffine(image, matrix, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)
        positions = (rows + down[place, :, :, None], columns + across[place, :, :, None], channels)
        result[place] = ndimage.map_coordinates(warped, positions, order=1, mode="reflect")
    return result


# Mean and scale of the noise, sigma, threshold, strength of the water or sigma of the mud, mud.
@corruption(
    (0.62, 0.1, 0.7, 0.7, 0.5, False), (0.65, 0.1, 0.8, 0.7, 0.5, False), (0.65, 0.3, 1, 0.69, 0.5, False),
    (0.65, 0.1, 0.7, 0.69, 0.6, True), (0.65, 0.1, 0.5, 0.68, 0.6, True),
)  # fmt: skip
def spatter(x: np.ndarray, constants: tuple[float, ...], rng: np.random.Generator) -> np.ndarray:
    """Splash water (severities 1 to 3) or mud (4 and 5) on the lens."""
    mean, scale, sigma, threshold, strength, mud = constants
    liquid = smooth(rng.normal(mean, scale, x.shape[:3]), sigma)
    liquid[liquid < threshold] = 0
    if not mud:
        sheen = np.stack([water_sheen(drops) for drops in (np.clip(liquid, 0, 1) * 255).astype(np.uint8)]) * strength
        return x + sheen[..., None] * np.array([175, 238, 238])  # pale turquoise
    cover = smooth((liquid > threshold).astype(np.float64), strength)
    cover[cover < 0.8] = 0
    return x * (1 - cover[..., None]) + cover[..., None] * np.array([63, 42, 20])  # mud brown


def water_sheen(drops: np.ndarray) -> np.ndarray:
    """How strongly pixels of drops (H, W), uint8, shine, 0 to 1: an emboss of edge distance."""
    distance = np.minimum(cv2.distanceTransform(255 - cv2.Canny(drops, 50, 150), cv2.DIST_L2, 5), 20)
    relief = cv2.equalizeHist(cv2.blur(distance, (3, 3)).astype(np.uint8))
    relief = cv2.blur(cv2.filter2D(relief, cv2.CV_8U, np.array([[-2, -1, 0], [-1, 1, 1], [0, 1, 2]])), (3, 3))
    sheen = drops * relief.astype(np.float64)
    return sheen / max(1.0, sheen.max())


def known_corruption(name: object) -> str:
    """A name, if it is that of a corruption."""
    if isinstance(name, str) and name in CORRUPTIONS:
        return name
    near = difflib.get_close_matches(str(name), CORRUPTIONS, n=1) or list(CORRUPTIONS)
    raise DataError(f"Unknown corruption {name!r}; near it: {', '.join(near)}.")


def corrupt(images: np.ndarray, name: str, severity: int, seed: int) -> np.ndarray:
    """Corrupt uint8 images (N, H, W, 3) as the published generator does, with CIFAR's constants.

    The random numbers come from (seed, name, severity) and an image's place alone: the first images of a longer array are corrupted as they
    are without the rest.

    Raises:
        DataError: The corruption or the severity is unknown, or the images are not of that kind.
    """
    make, constants = CORRUPTIONS[known_corruption(name)]
    constant = constants[whole(severity, "dataset.corruption_severity", 1, SEVERITIES) - 1]
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[-1] != 3 or min(images.shape[1:3]) < 8:
        raise DataError(f"Only uint8 images (N, H, W, 3) of at least 8x8 pixels can be corrupted, not {images.dtype} {images.shape}.")
    corrupted = np.empty_like(images)
    for number, start in enumerate(range(0, len(images), BLOCK)):
        rng = np.random.default_rng([seed, zlib.crc32(name.encode()), severity, number])
        part = images[start : start + BLOCK]
        block = np.zeros((BLOCK, *images.shape[1:]), np.uint8)  # always a full one: each image's draws then depend on its place alone
        block[: len(part)] = part
        corrupted[start : start + BLOCK] = np.clip(make(block, constant, rng), 0, 255).astype(np.uint8)[: len(part)]
    return corrupted


def whole(value: object, name: str, least: int, most: float = math.inf) -> int:
    """A value, if it is a whole number within the limits."""
    if isinstance(value, int) and not isinstance(value, bool) and least <= value <= most:
        return value
    raise DataError(f"{name} is {value!r}; it must be a whole number, {least} or more{f', at most {most}' if most < math.inf else ''}.")


# ------------------------------------------------------------------------------------------------------------ CIFAR-10-C, CIFAR-10

ARCHIVE = "https://zenodo.org/records/2535967/files/CIFAR-10-C.tar?download=1"
ARCHIVE_MD5 = "56bf5dcef84df0e2308c6dcbcbbd8499"
# MD5 sums of the published files: what has them is official, wherever it lies.
OFFICIAL_MD5 = {
    "gaussian_noise": "ecaf8b9a2399ffeda7680934c33405fd", "shot_noise": "3a7239bb118894f013d9bf1984be7f11",
    "impulse_noise": "2090e01c83519ec51427e65116af6b1a", "defocus_blur": "7d1322666342a0702b1957e92f6254bc",
    "glass_blur": "7361fb4019269e02dbf6925f083e8629", "motion_blur": "fffa5f852ff7ad299cfe8a7643f090f4",
    "zoom_blur": "6ea8e63f1c5cdee1517533840641641b", "snow": "bb238de8555123da9c282dea23bd6e55",
    "frost": "31f6ab3bce1d9934abfb0cc13656f141", "fog": "7b397314b5670f825465fbcd1f6e9ccd",
    "brightness": "0a81ef75e0b523c3383219c330a85d48", "contrast": "3c8262171c51307f916c30a3308235a8",
    "elastic_transform": "9421657c6cd452429cf6ce96cc412b5f", "pixelate": "0f14f7e2db14288304e1de10df16832f",
    "jpeg_compression": "2b9cc4c864e0193bb64db8d7728f8187", "speckle_noise": "ef00b87611792b00df09c0b0237a1e30",
    "gaussian_blur": "c33370155bc9b055fb4a89113d3c559d", "spatter": "8a5a3903a7f8f65b59501a6093b4311e",
    "saturate": "1cfae0964219c5102abbb883e538cc56", "labels": "c439b113295ed5254878798ffe28fd54",
}  # fmt: skip


def cifar10c_folder(cfg: DictConfig) -> Path:
    """dataset.root if CIFAR-10-C is there, else the cache's folder, filled by a download if need be."""
    if cfg.run.dataset.root is not None and (Path(cfg.run.dataset.root) / "labels.npy").is_file():
        return Path(cfg.run.dataset.root)
    folder = Path(cfg.cache_dir) / "CIFAR-10-C"
    if not folder.is_dir():
        logger.info("No CIFAR-10-C in dataset.root, %s: it is downloaded to %s.", cfg.run.dataset.root, folder)
        try:
            unpack = pooch.Untar(extract_dir=".")
            pooch.retrieve(ARCHIVE, f"md5:{ARCHIVE_MD5}", "CIFAR-10-C.tar", cfg.cache_dir, processor=unpack, progressbar=True)
        except (OSError, ValueError) as error:  # no network, no room; another checksum
            raise DataError(
                f"CIFAR-10-C is not in dataset.root, {cfg.run.dataset.root}, and can't be downloaded ({error}): connect and run again, "
                f"or unpack {ARCHIVE} and set dataset.root to the folder of labels.npy."
            ) from error
    return folder


def read_array(path: Path) -> np.ndarray:
    """Map an .npy file into memory; nothing in it is executed."""
    try:
        return np.load(path, mmap_mode="r", allow_pickle=False)
    except FileNotFoundError as error:
        raise DataError(f"{path} is missing: complete the folder, or set dataset.root to one that is complete.") from error
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f"{path} can't be read as an .npy array ({error}): it is damaged or cut off; get it anew.") from error


def load_cifar10c(cfg: DictConfig, name: str, severity: int) -> Images:
    """One corruption of CIFAR-10-C: rows of its severity, or all of a folder with one severity."""
    folder = cifar10c_folder(cfg)
    file = folder / f"{name}.npy"
    images, labels = read_array(file), read_array(folder / "labels.npy")
    if images.dtype != np.uint8 or images.shape[1:] != (SIZE, SIZE, 3) or len(images) != len(labels) or not len(labels):
        raise DataError(
            f"{file} holds {images.dtype} {images.shape}, and labels.npy {labels.shape}; wanted are uint8 images ({SIZE}, {SIZE}, 3) and "
            f"a label for each: get the folder anew."
        )
    if labels.min() < 0 or labels.max() >= len(CIFAR_CLASSES):
        raise DataError(f"{folder / 'labels.npy'} holds labels from {labels.min()} to {labels.max()}, not from 0 to 9: get it anew.")
    official = all(is_official(path) for path in (file, folder / "labels.npy"))
    if not official:
        say_once(f"{folder} is not the published CIFAR-10-C: its numbers must not stand beside published ones.")
    blocks = labels.reshape(SEVERITIES, -1) if len(labels) % SEVERITIES == 0 else None
    if blocks is not None and (blocks == blocks[0]).all():
        part = slice((severity - 1) * len(blocks[0]), severity * len(blocks[0]))
    else:
        part = slice(None)
        say_once(f"{folder} holds one severity without saying which: taken for severity {severity}.")
    return make_images(images[part], labels[part], OFFICIAL if official else REGENERATED)


@cache
def is_official(path: Path) -> bool:
    """Whether a file is the published one."""
    return pooch.file_hash(str(path), alg="md5") == OFFICIAL_MD5[path.stem]


@cache
def say_once(message: str) -> None:
    """Warn, once for each text."""
    logger.warning(message)


def load_cifar10(cfg: DictConfig, split: str, download: bool = True) -> Images:
    """CIFAR-10 of dataset.root, its parent or the cache: batches, or {split}_images and _labels.npy."""
    root = cfg.run.dataset.root
    places = [*([] if root is None else [Path(root), Path(root).parent]), Path(cfg.cache_dir)]
    for place in places:
        if (place / f"{split}_images.npy").is_file():
            images, labels = read_array(place / f"{split}_images.npy"), read_array(place / f"{split}_labels.npy")
            return make_images(images, labels, COPY)
    home = next((place for place in places if (place / CIFAR10.base_folder).is_dir()), places[-1])
    try:
        data = CIFAR10(home, train=split == "train", download=download)
    except (OSError, RuntimeError) as error:
        raise DataError(
            f"CIFAR-10 is neither in {', '.join(map(str, places))} nor could it be downloaded ({error}): connect and run again, "
            f"or put {CIFAR10.base_folder} there."
        ) from error
    return make_images(data.data, data.targets, OFFICIAL)


@cache
def digits(split: str) -> Images:
    """scikit-learn's digits in a fixed random order, enlarged; the first 1,000 to train on."""
    found = load_digits()
    mixed = np.random.default_rng(DIGITS_SEED).permutation(len(found.target))
    mixed = mixed[:DIGITS_TRAIN] if split == "train" else mixed[DIGITS_TRAIN:]
    greys = np.rint(DIGITS_PAPER + found.images[mixed] * ((DIGITS_INK - DIGITS_PAPER) / 16)).astype(np.uint8)
    size, how, margin = (DIGITS_INNER, DIGITS_INNER), Image.Resampling.BICUBIC, (SIZE - DIGITS_INNER) // 2
    images = np.full((len(mixed), SIZE, SIZE), DIGITS_PAPER, np.uint8)
    images[:, margin:-margin, margin:-margin] = np.stack([np.asarray(Image.fromarray(image).resize(size, how)) for image in greys])
    return make_images(np.repeat(images[..., None], 3, axis=-1), found.target[mixed], DIGITS)


# --------------------------------------------------------------------------------------------------------- what a run asks for


def dataset_name(cfg: DictConfig) -> str:
    """The name of the data set, if it is known."""
    if cfg.run.dataset.name not in ("cifar10c", "digitsc"):
        raise DataError(f"dataset.name is {cfg.run.dataset.name!r}; it must be cifar10c or digitsc.")
    return str(cfg.run.dataset.name)


def class_names(cfg: DictConfig) -> list[str]:
    """Names of the classes, in the order of the labels."""
    return list(CIFAR_CLASSES) if dataset_name(cfg) == "cifar10c" else [str(digit) for digit in range(10)]


def load_clean(cfg: DictConfig, split: str, download: bool = True) -> Images:
    """Clean images, "train" or "test". Raises DataError where they are not here nor to be had."""
    return load_cifar10(cfg, split, download) if dataset_name(cfg) == "cifar10c" else digits(split)


def load_corruption(cfg: DictConfig, name: str) -> Images:
    """All test images under a corruption at dataset.corruption_severity, in the order of the file."""
    severity = whole(cfg.run.dataset.corruption_severity, "dataset.corruption_severity", 1, SEVERITIES)
    if cfg.run.dataset.split != "test":
        raise DataError(f"dataset.split is {cfg.run.dataset.split!r}; corrupted images are test images: it must be 'test'.")
    if dataset_name(cfg) == "cifar10c":
        return load_cifar10c(cfg, known_corruption(name), severity)
    return corrupted_images(digits("test"), name, severity, TEST_SEED)


def corrupted_images(clean: Images, name: str, severity: int, seed: int) -> Images:
    """Clean images under a corruption that is made here."""
    array = corrupt(clean.images.permute(0, 2, 3, 1).numpy(), name, severity, seed)
    return make_images(array, clean.labels.numpy(), DIGITS if clean.origin == DIGITS else REGENERATED)


def evaluation_corruptions(cfg: DictConfig) -> list[str]:
    """dataset.corruption_types, "all" standing for the standard fifteen."""
    wanted = cfg.run.dataset.corruption_types
    if wanted == "all":
        return list(STANDARD)
    if not isinstance(wanted, list | tuple | ListConfig) or not wanted or len(set(wanted)) < len(wanted):
        raise DataError(f"dataset.corruption_types is {wanted!r}; it must be 'all' or a list of corruptions, none of them twice.")
    names = [known_corruption(name) for name in wanted]
    if cfg.run.optuna.enabled and set(names) & set(HELD_OUT):
        raise DataError(f"dataset.corruption_types has some of {', '.join(HELD_OUT)}, which the search uses: leave them out.")
    return names


def load_search(cfg: DictConfig, name: str) -> Images:
    """Images of a held-out corruption for the search, unscored, at most search.images_per_corruption.

    With search.images above 0 the last so many test images; with 0 training images, corrupted here with other random numbers.
    """
    limit = cfg.search.images_per_corruption
    limit = None if limit is None else whole(limit, "search.images_per_corruption", 1)
    if cfg.search.images:
        data = load_corruption(cfg, name)
        return data[whole(len(data) - cfg.search.images, "The number of images that search.images leaves", 1) :][:limit]
    clean = load_clean(cfg, "train")
    chosen = np.random.default_rng(SEARCH_CHOICE_SEED).permutation(len(clean))[:limit]
    return corrupted_images(clean[torch.from_numpy(chosen)], name, cfg.run.dataset.corruption_severity, SEARCH_SEED)
