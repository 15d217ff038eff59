"""The data: CIFAR-10-C as published, CIFAR-10 to train on, and Digits-C, which needs no download.

Images are kept as uint8 in memory, all of a corruption at once; a batch is a slice of them, made floating point by `normalise`.

Where the numbers come from is part of the data (`Images.origin`). Files of the published archive are known by their MD5 sums; all else
is "regenerated" (CIFAR-10-C made anew), "copy" (CIFAR-10 in another form than the published one) or "digits". No evaluation mixes them.

Sources: D. Hendrycks and T. Dietterich, "Benchmarking Neural Network Robustness to Common Corruptions and Perturbations", ICLR 2019 (the
corruptions; constants of their CIFAR generator, which are not those of ImageNet-C; https://zenodo.org/records/2535967);
A. Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", 2009 (CIFAR-10); E. Alpaydin and C. Kaynak, "Optical Recognition of
Handwritten Digits", UCI, 1998 (the digits, as scikit-learn ships them).
"""

import contextlib
import difflib
import hashlib
import io
import json
import logging
import math
import os
import pickle
import shutil
import tarfile
import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import requests
import torch
from omegaconf import DictConfig, ListConfig
from PIL import Image
from scipy import ndimage
from tqdm import tqdm

try:
    import fcntl
except ImportError:  # Windows has none: two processes must not download at the same time there
    fcntl = None

logger = logging.getLogger(__name__)

# The order of the published tables.
STANDARD = (
    "gaussian_noise",
    "shot_noise",
    "impulse_noise",
    "defocus_blur",
    "glass_blur",
    "motion_blur",
    "zoom_blur",
    "snow",
    "frost",
    "fog",
    "brightness",
    "contrast",
    "elastic_transform",
    "pixelate",
    "jpeg_compression",
)
# Made by the same authors for choosing hyper-parameters; no evaluation counts them.
HELD_OUT = ("speckle_noise", "gaussian_blur", "spatter", "saturate")
SEVERITIES = 5

OFFICIAL, REGENERATED, COPY, DIGITS = "official", "regenerated", "copy", "digits"

CIFAR_CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
CIFAR_SIZE = 32
DIGITS_TRAIN = 1000
DIGITS_SIZE = 32
# Each digit fills the middle of its image, and ink and paper are greys: with black and white at full size, noise and blurs are harmless.
DIGITS_INNER = 24
DIGITS_PAPER, DIGITS_INK = 48, 208

# Seeds of the data themselves: what they draw is part of the data set and is the same for every run, whatever run.seed is.
DIGITS_SPLIT_SEED = 0
TEST_CORRUPTION_SEED = 0
SEARCH_CORRUPTION_SEED = 1
SEARCH_CHOICE_SEED = 2
FROST_SEED = 3


class DataError(Exception):
    """The data can't be had or can't be right; the message says what, where, and what to do."""


@dataclass(frozen=True, eq=False)
class Images:
    """Images with their labels: uint8 (N, 3, H, W), contiguous, and int64 (N,)."""

    images: torch.Tensor
    labels: torch.Tensor
    origin: str
    name: str

    def __len__(self) -> int:
        return len(self.labels)


def select(data: Images, indices: torch.Tensor) -> Images:
    """Return the images at `indices` (N,), in that order."""
    return Images(data.images[indices].contiguous(), data.labels[indices].contiguous(), data.origin, data.name)


# ---------------------------------------------------------------------------------------------------------------- corruptions
#
# Each takes a block of images (B, H, W, 3) uint8, the constants of the severity and a generator, and returns values from 0 to 255.
# Fractions are cut off, not rounded, as in the published files.

BLOCK = 256  # images that are corrupted together: bounds the memory and fixes what each image draws

Corruption = Callable[[np.ndarray, Any, np.random.Generator], np.ndarray]


def _gaussian_noise(x: np.ndarray, scale: float, rng: np.random.Generator) -> np.ndarray:
    return x + 255 * scale * rng.standard_normal(x.shape, np.float32)


def _shot_noise(x: np.ndarray, photons: float, rng: np.random.Generator) -> np.ndarray:
    """Count photons: Poisson noise with `photons` of them for a white pixel."""
    return rng.poisson(x / 255.0 * photons) / photons * 255


def _impulse_noise(x: np.ndarray, amount: float, rng: np.random.Generator) -> np.ndarray:
    """Set a share of all values to black or white, each channel for itself (salt and pepper)."""
    hit = rng.random(x.shape, np.float32) < amount
    salt = rng.random(x.shape, np.float32) < 0.5
    return np.where(hit, np.where(salt, 255, 0), x)


def _speckle_noise(x: np.ndarray, scale: float, rng: np.random.Generator) -> np.ndarray:
    return x * (1 + scale * rng.standard_normal(x.shape, np.float32))


def _smooth(x: np.ndarray, sigma: float, mode: str = "nearest", truncate: float = 4.0) -> np.ndarray:
    """Blur axes 1 and 2 of (B, H, W) or (B, H, W, C)."""
    return ndimage.gaussian_filter(x, (0, sigma, sigma, 0)[: x.ndim], mode=mode, truncate=truncate)


def _gaussian_blur(x: np.ndarray, sigma: float, rng: np.random.Generator) -> np.ndarray:
    return _smooth(x / 255.0, sigma) * 255


def _glass_blur(x: np.ndarray, constants: tuple[float, int], rng: np.random.Generator) -> np.ndarray:
    """Blur, move pixels about, blur again.

    The published loop means to swap pixels with neighbours one up, one left or both, but its swap of two views only copies the
    neighbour; it goes from the bottom right to the top left, so it always copies what it has not changed yet. One gather does the same.
    """
    sigma, passes = constants
    x = np.floor(np.clip(_smooth(x / 255.0, sigma), 0, 1) * 255)
    count, height, width = x.shape[:3]
    image = np.arange(count)[:, None, None]
    rows, columns = np.mgrid[2:height, 2:width]
    for _ in range(passes):
        moves = rng.integers(-1, 1, (2, count, height - 2, width - 2))
        moved = x.copy()
        moved[:, 2:, 2:] = x[image, rows + moves[0], columns + moves[1]]
        x = moved
    return _smooth(x / 255.0, sigma) * 255


def _defocus_blur(x: np.ndarray, constants: tuple[float, float], rng: np.random.Generator) -> np.ndarray:
    """Convolve with a disk whose edge is softened by a 3x3 Gaussian kernel; borders are mirrored."""
    radius, alias_blur = constants
    offsets = np.arange(-8, 9)
    disk = (offsets[:, None] ** 2 + offsets**2 <= radius**2).astype(float)
    edge = np.exp(-(np.arange(-1, 2) ** 2) / (2 * alias_blur**2))
    edge /= edge.sum()
    kernel = ndimage.convolve(disk / disk.sum(), edge[:, None] * edge, mode="mirror")
    reach = int(np.abs(offsets[kernel.sum(0) > 0]).max())  # the rest is zeros
    kernel = kernel[8 - reach : 9 + reach, 8 - reach : 9 + reach]
    return ndimage.correlate(x / 255.0, kernel[None, :, :, None], mode="mirror") * 255


def _motion(x: np.ndarray, radius: int, sigma: float, angles: np.ndarray) -> np.ndarray:
    """Blur (B, H, W, C) along a line, each image at its own angle (B,) in degrees, as ImageMagick's MotionBlurImage does.

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


def _motion_blur(x: np.ndarray, constants: tuple[int, float], rng: np.random.Generator) -> np.ndarray:
    radius, sigma = constants
    return _motion(x, radius, sigma, rng.uniform(-45, 45, len(x)))


def _zoom_matrix(size: int, factor: float) -> np.ndarray:
    """Return the (size, size) matrix that enlarges the middle of a row of pixels by linear interpolation.

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
def _zoom_blur_map(height: int, width: int, limit: float) -> np.ndarray:
    """Return the mean over all zooms as one linear map of flattened images, (H·W, H·W)."""
    factors = np.arange(1, limit, 0.01)
    total = np.eye(height * width)
    for factor in factors:
        total += np.kron(_zoom_matrix(height, factor), _zoom_matrix(width, factor))
    return (total / (len(factors) + 1)).astype(np.float32)


def _zoom_blur(x: np.ndarray, limit: float, rng: np.random.Generator) -> np.ndarray:
    count, height, width, channels = x.shape
    planes = np.ascontiguousarray(x.transpose(0, 3, 1, 2), np.float32).reshape(-1, height * width)
    blurred = planes @ _zoom_blur_map(height, width, limit).T
    return blurred.reshape(count, channels, height, width).transpose(0, 2, 3, 1) + 1e-3  # rounding errors must not cut a whole step off


def _snow(x: np.ndarray, constants: tuple[float, ...], rng: np.random.Generator) -> np.ndarray:
    """Whiten the image and let flakes fall: thresholded noise, enlarged, blurred along its fall, and once more turned by 180 degrees."""
    mean, scale, zoom, threshold, radius, sigma, keep = constants
    count, height, width = x.shape[:3]
    flakes = rng.normal(mean, scale, (count, height, width))
    flakes = _zoom_matrix(height, zoom) @ flakes @ _zoom_matrix(width, zoom).T
    flakes[flakes < threshold] = 0
    flakes = np.floor(np.clip(flakes, 0, 1) * 255)[..., None]
    flakes = _motion(flakes, int(radius), sigma, rng.uniform(-135, -45, count))
    grey = (x @ np.array([0.299, 0.587, 0.114]))[..., None]
    whitened = keep * x + (1 - keep) * np.maximum(x, grey * 1.5 + 127.5)
    return whitened + flakes + flakes[:, ::-1, ::-1]


# Synthetic textures, each: mean colour, deviation of its values, decay of the amplitudes with the frequency, skewness (dark specks or
# bright crystals). The published files use photographs of frost; these have about the colours, contrast and spectra of such photographs.
_FROST_TEXTURES = (
    ((135, 153, 165), 27, 0.65, -0.1),
    ((198, 202, 211), 18, 0.70, -0.4),
    ((70, 144, 161), 15, 1.00, 0.2),
    ((214, 216, 222), 16, 0.65, -0.4),
    ((94, 105, 117), 33, 0.60, 0.3),
)
_FROST_SHAPE = (192, 256)


@cache
def _frost_textures() -> np.ndarray:
    """Synthesise the frost textures, (5, 192, 256, 3): noise with a falling spectrum, creased into crystals and coloured."""
    rng = np.random.default_rng(FROST_SEED)
    height, width = _FROST_SHAPE
    frequency = np.hypot(np.fft.fftfreq(height)[:, None] * CIFAR_SIZE, np.fft.fftfreq(width) * CIFAR_SIZE)
    textures = []
    for colour, deviation, decay, skewness in _FROST_TEXTURES:
        layers = []
        for _ in range(2):
            spectrum = np.fft.fft2(rng.standard_normal(_FROST_SHAPE)) / np.maximum(frequency, 0.5) ** decay
            layer = np.fft.ifft2(spectrum).real
            layers.append((layer - layer.mean()) / layer.std())
        crystals = -np.abs(layers[1])  # its creases are thin bright lines
        height_map = layers[0] + 0.7 * (crystals - crystals.mean()) / crystals.std()
        height_map /= height_map.std()
        if skewness:
            height_map = np.exp(skewness * height_map) / skewness
            height_map = (height_map - height_map.mean()) / height_map.std()
        textures.append(np.array(colour) + deviation * height_map[..., None])
    return np.clip(np.stack(textures), 0, 255)


def _frost(x: np.ndarray, constants: tuple[float, float], rng: np.random.Generator) -> np.ndarray:
    """Lay a random piece of a frost texture over each image. The textures are synthetic: see `_frost_textures`."""
    keep, strength = constants
    count, height, width = x.shape[:3]
    textures = _frost_textures()
    which = rng.integers(0, len(textures), count)
    top = rng.integers(0, _FROST_SHAPE[0] - height + 1, count)
    left = rng.integers(0, _FROST_SHAPE[1] - width + 1, count)
    rows = (top[:, None] + np.arange(height))[:, :, None]
    columns = (left[:, None] + np.arange(width))[:, None, :]
    return keep * x + strength * textures[which[:, None, None], rows, columns]


def _plasma(count: int, size: int, decay: float, rng: np.random.Generator) -> np.ndarray:
    """Return `count` fractal height maps from 0 to 1, (count, size, size); `size` is a power of two (diamond-square algorithm)."""
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


def _fog(x: np.ndarray, constants: tuple[float, float], rng: np.random.Generator) -> np.ndarray:
    """Add a plasma fractal and scale back, so that the brightest value stays about what it was."""
    strength, decay = constants
    count, height, width = x.shape[:3]
    size = 1 << (max(CIFAR_SIZE, height, width) - 1).bit_length()
    brightest = x.max((1, 2, 3), keepdims=True) / 255.0
    hazy = x / 255.0 + strength * _plasma(count, size, decay, rng)[:, :height, :width, None]
    return hazy * brightest / (brightest + strength) * 255


def _brightness(x: np.ndarray, amount: float, rng: np.random.Generator) -> np.ndarray:
    """Add to the value of HSV; hue and saturation stay, so all three channels scale alike."""
    value = x.max(-1, keepdims=True) / 255.0
    brighter = np.clip(value + amount, 0, 1)
    return np.where(value > 0, x * (brighter / np.maximum(value, 1 / 255)), brighter * 255)


def _contrast(x: np.ndarray, amount: float, rng: np.random.Generator) -> np.ndarray:
    """Draw the values of each channel to its mean over the image."""
    x = x / 255.0
    means = x.mean((1, 2), keepdims=True)
    return ((x - means) * amount + means) * 255


def _saturate(x: np.ndarray, constants: tuple[float, float], rng: np.random.Generator) -> np.ndarray:
    """Scale and shift the saturation of HSV. Grey has hue 0, so a shift makes it red, as in the published files."""
    factor, shift = constants
    value = x.max(-1, keepdims=True).astype(np.float64)
    spread = value - x.min(-1, keepdims=True)
    saturation = spread / np.maximum(value, 1)
    wanted = np.clip(saturation * factor + shift, 0, 1)
    tinted = value - (value - x) * (wanted / np.maximum(saturation, 1e-9))
    red = value * (1 - wanted * np.array([0, 1, 1]))
    return np.where(spread > 0, tinted, red)


def _jpeg_compression(x: np.ndarray, quality: int, rng: np.random.Generator) -> np.ndarray:
    return np.stack([_through_jpeg(image, quality) for image in x])


def _through_jpeg(image: np.ndarray, quality: int) -> np.ndarray:
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, "JPEG", quality=quality)
    return np.asarray(Image.open(stream))


def _pixelate(x: np.ndarray, factor: float, rng: np.random.Generator) -> np.ndarray:
    height, width = x.shape[1:3]
    small, full = (int(width * factor), int(height * factor)), (width, height)
    box = Image.Resampling.BOX
    return np.stack([np.asarray(Image.fromarray(image).resize(small, box).resize(full, box)) for image in x])


def _sample(x: np.ndarray, rows: np.ndarray, columns: np.ndarray, fold: Callable[[np.ndarray, int], np.ndarray]) -> np.ndarray:
    """Interpolate (B, H, W, C) linearly at (B, H, W) positions; `fold` brings indices from outside back in."""
    image = np.arange(len(x))[:, None, None]
    top, left = np.floor(rows).astype(int), np.floor(columns).astype(int)
    down, right = (rows - top)[..., None], (columns - left)[..., None]
    rows, below = fold(top, x.shape[1]), fold(top + 1, x.shape[1])
    columns, beside = fold(left, x.shape[2]), fold(left + 1, x.shape[2])
    upper = x[image, rows, columns] * (1 - right) + x[image, rows, beside] * right
    lower = x[image, below, columns] * (1 - right) + x[image, below, beside] * right
    return upper * (1 - down) + lower * down


def _mirror(index: np.ndarray, size: int) -> np.ndarray:
    """Fold indices about the outermost pixels (… 2 1 | 0 1 2 …)."""
    index = np.abs(index) % (2 * size - 2)
    return np.minimum(index, 2 * size - 2 - index)


def _reflect(index: np.ndarray, size: int) -> np.ndarray:
    """Fold indices about the image's edge (… 1 0 | 0 1 …)."""
    index = index % (2 * size)
    return np.minimum(index, 2 * size - 1 - index)


def _elastic_transform(x: np.ndarray, constants: tuple[float, float, float], rng: np.random.Generator) -> np.ndarray:
    """Move three points of the image (an affine map), then every pixel by smoothed noise. Constants are shares of the image's size."""
    count, height, width = x.shape[:3]
    strength, sigma, affine = (min(height, width) * constant for constant in constants)
    middle, reach = np.array([height // 2, width // 2], float), min(height, width) // 3
    before = np.array([middle + reach, [middle[0] + reach, middle[1] - reach], middle - reach])
    after = before + rng.uniform(-affine, affine, (count, 3, 2))
    grid = np.stack([*np.meshgrid(np.arange(width), np.arange(height)), np.ones((height, width))], -1)  # x, y, 1
    back = np.linalg.solve(np.concatenate([after, np.ones((count, 3, 1))], -1), before)
    positions = grid.reshape(1, -1, 3) @ back
    columns, rows = (positions[..., axis].reshape(count, height, width) for axis in (0, 1))
    x = _sample(x.astype(np.float64), rows, columns, _mirror)

    shifts = rng.uniform(-1, 1, (2, count, height, width))
    across, down = (_smooth(shift, sigma, "reflect", 3.0) * strength for shift in shifts)
    return _sample(x, grid[..., 1] + down, grid[..., 0] + across, _reflect)


def _spatter(x: np.ndarray, constants: tuple[float, ...], rng: np.random.Generator) -> np.ndarray:
    """Splash water (severities 1 to 3) or mud (4 and 5) on the lens."""
    mean, scale, sigma, threshold, strength, mud = constants
    liquid = _smooth(rng.normal(mean, scale, x.shape[:3]), sigma)
    liquid[liquid < threshold] = 0
    if not mud:
        sheen = _water_sheen(np.floor(liquid * 255)) * strength
        return x + sheen[..., None] * np.array([175, 238, 238])  # pale turquoise
    cover = _smooth((liquid > threshold).astype(np.float64), strength)
    cover[cover < 0.8] = 0
    return x * (1 - cover[..., None]) + cover[..., None] * np.array([63, 42, 20])  # mud brown


def _water_sheen(liquid: np.ndarray) -> np.ndarray:
    """Return how strongly each pixel of drops (B, H, W), 0 to 255, shines, 0 to 1: an emboss of the distance to the drops' edges."""
    drops = _edges(liquid)
    # Far-apart slices: the nearest edge is always one of the same image, if it has any.
    distance = ndimage.distance_transform_edt(~drops, sampling=(1000, 1, 1)) if drops.any() else np.full(drops.shape, 20.0)
    distance = np.floor(_box(np.minimum(distance, 20)))
    relief = _equalise(distance.astype(np.uint8)).astype(np.float64)
    emboss = np.array([[-2, -1, 0], [-1, 1, 1], [0, 1, 2]])
    relief = np.clip(ndimage.correlate(relief, emboss[None], mode="mirror"), 0, 255)
    sheen = liquid * np.rint(_box(relief))
    return sheen / np.maximum(sheen.max((1, 2), keepdims=True), 1)


def _box(x: np.ndarray) -> np.ndarray:
    """Return the mean of each 3x3 neighbourhood of (B, H, W)."""
    return ndimage.correlate(x, np.full((1, 3, 3), 1 / 9), mode="mirror")


def _edges(x: np.ndarray, low: float = 50, high: float = 150) -> np.ndarray:
    """Find edges in (B, H, W): Canny's algorithm with the 3x3 Sobel operator and |dx| + |dy|."""
    smooth, slope = np.array([1, 2, 1.0]), np.array([-1, 0, 1.0])
    across = ndimage.correlate(x, (smooth[:, None] * slope)[None], mode="nearest")
    down = ndimage.correlate(x, (slope[:, None] * smooth)[None], mode="nearest")
    size = np.abs(across) + np.abs(down)
    padded = np.pad(size, ((0, 0), (1, 1), (1, 1)))

    def beside(rows: int, columns: int) -> np.ndarray:
        return padded[:, 1 + rows : padded.shape[1] - 1 + rows, 1 + columns : padded.shape[2] - 1 + columns]

    flat = np.abs(down) < np.abs(across) * math.tan(math.pi / 8)
    steep = np.abs(down) > np.abs(across) * math.tan(3 * math.pi / 8)
    rising = across * down < 0
    ridge = np.where(flat, (size > beside(0, -1)) & (size >= beside(0, 1)), (size > beside(-1, 0)) & (size >= beside(1, 0)))
    diagonal = np.where(rising, (size > beside(-1, 1)) & (size > beside(1, -1)), (size > beside(-1, -1)) & (size > beside(1, 1)))
    candidates = np.where(flat | steep, ridge, diagonal) & (size > low)
    within_image = np.zeros((3, 3, 3), bool)
    within_image[1] = True
    groups, _ = ndimage.label(candidates, within_image)
    strong = np.unique(groups[candidates & (size > high)])
    return np.isin(groups, strong[strong > 0])


def _equalise(x: np.ndarray) -> np.ndarray:
    """Equalise the histogram of each image of (B, H, W) uint8; an image of one value stays as it is."""
    flat = x.reshape(len(x), -1)
    histogram = np.zeros((len(x), 256))
    np.add.at(histogram, (np.arange(len(x))[:, None], flat), 1)
    first = histogram[np.arange(len(x)), flat.min(1)][:, None]
    scale = 255 / np.maximum(flat.shape[1] - first, 1)
    table = np.rint(np.maximum(np.cumsum(histogram, 1) - first, 0) * scale)
    equalised = np.where(first == flat.shape[1], flat, np.take_along_axis(table, flat.astype(int), 1))
    return equalised.reshape(x.shape).astype(np.uint8)


# What each severity, 1 to 5, means: the constants of the CIFAR generator. Those of ImageNet-C are far stronger (Gaussian noise of
# severity 5: 0.38 there, 0.10 here).
_CORRUPTIONS: dict[str, tuple[Corruption, tuple[Any, ...]]] = {
    "gaussian_noise": (_gaussian_noise, (0.04, 0.06, 0.08, 0.09, 0.10)),
    "shot_noise": (_shot_noise, (500, 250, 100, 75, 50)),
    "impulse_noise": (_impulse_noise, (0.01, 0.02, 0.03, 0.05, 0.07)),
    "defocus_blur": (_defocus_blur, ((0.3, 0.4), (0.4, 0.5), (0.5, 0.6), (1, 0.2), (1.5, 0.1))),  # radius, blur of the disk's edge
    "glass_blur": (_glass_blur, ((0.05, 1), (0.25, 1), (0.4, 1), (0.25, 2), (0.4, 2))),  # sigma, passes
    "motion_blur": (_motion_blur, ((6, 1), (6, 1.5), (6, 2), (8, 2), (9, 2.5))),  # radius, sigma
    "zoom_blur": (_zoom_blur, (1.06, 1.11, 1.16, 1.21, 1.26)),
    # mean and scale of the noise, zoom, threshold, radius and sigma of the fall, share of the image that is kept
    "snow": (
        _snow,
        (
            (0.1, 0.2, 1, 0.6, 8, 3, 0.95),
            (0.1, 0.2, 1, 0.5, 10, 4, 0.9),
            (0.15, 0.3, 1.75, 0.55, 10, 4, 0.9),
            (0.25, 0.3, 2.25, 0.6, 12, 6, 0.85),
            (0.3, 0.3, 1.25, 0.65, 14, 12, 0.8),
        ),
    ),
    "frost": (_frost, ((1, 0.2), (1, 0.3), (0.9, 0.4), (0.85, 0.4), (0.75, 0.45))),  # shares of the image and of the texture
    "fog": (_fog, ((0.2, 3), (0.5, 3), (0.75, 2.5), (1, 2), (1.5, 1.75))),  # strength, decay
    "brightness": (_brightness, (0.05, 0.1, 0.15, 0.2, 0.3)),
    "contrast": (_contrast, (0.75, 0.5, 0.4, 0.3, 0.15)),
    # strength and sigma of the noise, reach of the affine map
    "elastic_transform": (_elastic_transform, ((0, 0, 0.08), (0.05, 0.2, 0.07), (0.08, 0.06, 0.06), (0.1, 0.04, 0.05), (0.1, 0.03, 0.03))),
    "pixelate": (_pixelate, (0.95, 0.9, 0.85, 0.75, 0.65)),
    "jpeg_compression": (_jpeg_compression, (80, 65, 58, 50, 40)),
    "speckle_noise": (_speckle_noise, (0.06, 0.1, 0.12, 0.16, 0.2)),
    "gaussian_blur": (_gaussian_blur, (0.4, 0.6, 0.7, 0.8, 1)),
    # mean and scale of the noise, sigma, threshold, strength of the water or sigma of the mud, mud
    "spatter": (
        _spatter,
        (
            (0.62, 0.1, 0.7, 0.7, 0.5, False),
            (0.65, 0.1, 0.8, 0.7, 0.5, False),
            (0.65, 0.3, 1, 0.69, 0.5, False),
            (0.65, 0.1, 0.7, 0.69, 0.6, True),
            (0.65, 0.1, 0.5, 0.68, 0.6, True),
        ),
    ),
    "saturate": (_saturate, ((0.3, 0), (0.1, 0), (1.5, 0), (2, 0.1), (2.5, 0.2))),  # factor, shift
}


def _known_corruption(name: object) -> str:
    if isinstance(name, str) and name in _CORRUPTIONS:
        return name
    near = difflib.get_close_matches(str(name), _CORRUPTIONS, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(_CORRUPTIONS)}."
    raise DataError(f"Unknown corruption {name!r}: {hint}")


def _known_severity(severity: object) -> int:
    if isinstance(severity, int) and not isinstance(severity, bool) and 1 <= severity <= SEVERITIES:
        return severity
    raise DataError(f"dataset.corruption_severity is {severity!r}; it must be a whole number from 1 to {SEVERITIES}.")


def corrupt(images: np.ndarray, name: str, severity: int, seed: int) -> np.ndarray:
    """Corrupt uint8 images (N, H, W, 3) as the published generator does, with the constants for CIFAR; (N, H, W, 3) uint8.

    The random numbers come from (seed, name, severity) and an image's place alone: the first images of a longer array are corrupted
    as they are without the rest. Sizes below 8x8 and other kinds of arrays raise DataError.
    """
    make, constants = _CORRUPTIONS[_known_corruption(name)]
    constant = constants[_known_severity(severity) - 1]
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[-1] != 3 or min(images.shape[1:3]) < 8:
        raise DataError(f"Only uint8 images (N, H, W, 3) of at least 8x8 pixels can be corrupted, not {images.dtype} {images.shape}.")
    corrupted = np.empty_like(images)
    for number, start in enumerate(range(0, len(images), BLOCK)):
        rng = np.random.default_rng([_known_seed(seed), zlib.crc32(name.encode()), severity, number])
        block = np.zeros((BLOCK, *images.shape[1:]), np.uint8)  # always a full one: each image's draws then depend on its place alone
        part = images[start : start + BLOCK]
        block[: len(part)] = part
        corrupted[start : start + BLOCK] = np.clip(make(block, constant, rng), 0, 255).astype(np.uint8)[: len(part)]
    return corrupted


def _known_seed(seed: object) -> int:
    if isinstance(seed, int) and not isinstance(seed, bool) and seed >= 0:
        return seed
    raise DataError(f"The seed is {seed!r}; it must be a whole number, 0 or more.")


# ------------------------------------------------------------------------------------------------------------------ downloads


@dataclass(frozen=True)
class Archive:
    """A published archive: where it is, how it is recognised, what is taken out of it, and where that goes below cache_dir."""

    title: str
    url: str
    file: str
    md5: str
    size: int  # bytes
    members: tuple[str, ...]
    folder: str


CIFAR10C_ARCHIVE = Archive(
    title="CIFAR-10-C",
    url="https://zenodo.org/records/2535967/files/CIFAR-10-C.tar?download=1",
    file="CIFAR-10-C.tar",
    md5="56bf5dcef84df0e2308c6dcbcbbd8499",
    size=2_918_471_680,
    members=tuple(f"CIFAR-10-C/{name}.npy" for name in (*STANDARD, *HELD_OUT, "labels")),
    folder="CIFAR-10-C",
)
CIFAR10_ARCHIVE = Archive(
    title="CIFAR-10",
    url="https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz",
    file="cifar-10-python.tar.gz",
    md5="c58f30108f718f92721af3b95e74349a",
    size=170_498_071,
    members=tuple(f"cifar-10-batches-py/{name}" for name in (*(f"data_batch_{i}" for i in range(1, 6)), "test_batch")),
    folder="cifar10/cifar-10-batches-py",
)
# MD5 sums of the published files: what has them is official, wherever it lies.
OFFICIAL_MD5 = {
    "brightness.npy": "0a81ef75e0b523c3383219c330a85d48",
    "contrast.npy": "3c8262171c51307f916c30a3308235a8",
    "defocus_blur.npy": "7d1322666342a0702b1957e92f6254bc",
    "elastic_transform.npy": "9421657c6cd452429cf6ce96cc412b5f",
    "fog.npy": "7b397314b5670f825465fbcd1f6e9ccd",
    "frost.npy": "31f6ab3bce1d9934abfb0cc13656f141",
    "gaussian_blur.npy": "c33370155bc9b055fb4a89113d3c559d",
    "gaussian_noise.npy": "ecaf8b9a2399ffeda7680934c33405fd",
    "glass_blur.npy": "7361fb4019269e02dbf6925f083e8629",
    "impulse_noise.npy": "2090e01c83519ec51427e65116af6b1a",
    "jpeg_compression.npy": "2b9cc4c864e0193bb64db8d7728f8187",
    "labels.npy": "c439b113295ed5254878798ffe28fd54",
    "motion_blur.npy": "fffa5f852ff7ad299cfe8a7643f090f4",
    "pixelate.npy": "0f14f7e2db14288304e1de10df16832f",
    "saturate.npy": "1cfae0964219c5102abbb883e538cc56",
    "shot_noise.npy": "3a7239bb118894f013d9bf1984be7f11",
    "snow.npy": "bb238de8555123da9c282dea23bd6e55",
    "spatter.npy": "8a5a3903a7f8f65b59501a6093b4311e",
    "speckle_noise.npy": "ef00b87611792b00df09c0b0237a1e30",
    "zoom_blur.npy": "6ea8e63f1c5cdee1517533840641641b",
    "data_batch_1": "c99cafc152244af753f735de768cd75f",
    "data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
    "data_batch_3": "54ebc095f3ab1f0389bbae665268c751",
    "data_batch_4": "634d18415352ddfa80567beed471001a",
    "data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb",
    "test_batch": "40351d587109b95175f43aff81a1287e",
}

CHUNK = 1 << 17  # bytes
TIMEOUT = (10, 60)  # seconds: to connect, and without a byte
ATTEMPTS = 4  # without a new byte in any of them
PAUSE = 2.0  # seconds between attempts, times the number of the attempt
LARGEST_MEMBER = 200_000_000  # bytes; the largest published file has 153,600,128


def fetch(archive: Archive, cache_dir: Path) -> Path:
    """Download and unpack an archive below `cache_dir`, unless that is done; return the folder.

    A download goes on where it was stopped. Neither it nor the unpacked folder is there under its own name before it is whole and has
    the right checksum, so a kill at any moment leaves nothing wrong behind. One process downloads, others wait for it.
    """
    folder = cache_dir / archive.folder
    if folder.is_dir():
        return folder
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with _alone(folder.parent / f".{archive.file}.lock"):
            if not folder.is_dir():
                packed = _download(archive, folder.parent)
                _unpack(archive, packed, folder)
                packed.unlink()
    except OSError as error:
        raise DataError(f"{archive.title} can't be stored in {folder.parent} ({error}): make room there or set cache_dir.") from error
    return folder


@contextlib.contextmanager
def _alone(lock: Path) -> Iterator[None]:
    """Hold a lock that ends with the process, however it ends."""
    with lock.open("w") as handle:
        if fcntl is not None:
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _download(archive: Archive, folder: Path) -> Path:
    """Return the archive's file in `folder`, with the right checksum; go on with a partial one."""
    packed = folder / archive.file
    partial = folder / f"{archive.file}.part"
    if not packed.is_file():
        _check_room(archive, folder, partial.stat().st_size if partial.is_file() else 0)
        _download_rest(archive, partial)
        if _md5(partial) != archive.md5:
            partial.unlink()
            raise DataError(
                f"{archive.file} from {archive.url} has not the checksum it should have (MD5 {archive.md5}) and was removed: "
                f"run again, or download it by hand and unpack it."
            )
        partial.replace(packed)
    return packed


def _check_room(archive: Archive, folder: Path, present: int) -> None:
    needed, free = 2 * archive.size - present, shutil.disk_usage(folder).free  # packed and unpacked
    if free < needed:
        raise DataError(
            f"{archive.title} needs {needed / 1e9:.1f} GB in {folder}, where {free / 1e9:.1f} GB are free: make room or set cache_dir."
        )


def _download_rest(archive: Archive, partial: Path) -> None:
    """Append to `partial` what it lacks of the archive; retry as long as new bytes come."""
    failures = 0
    while True:
        present = partial.stat().st_size if partial.is_file() else 0
        if present == archive.size:
            return
        if present > archive.size:
            partial.unlink()
            continue
        try:
            _append(archive, partial, present)
            reason = "the connection ended early"
        except requests.RequestException as error:
            reason = str(error)
        grown = partial.is_file() and partial.stat().st_size > present
        failures = 0 if grown else failures + 1
        if failures >= ATTEMPTS:
            raise DataError(
                f"{archive.title} is not here and {archive.url} can't be had ({reason}): connect and run again, "
                f"or download it elsewhere, unpack it and set dataset.root to the folder."
            )
        time.sleep(PAUSE * failures)


def _append(archive: Archive, partial: Path, present: int) -> None:
    """Ask for the bytes from `present` on and write them, at most as many as the archive has."""
    headers = {"Range": f"bytes={present}-", "Accept-Encoding": "identity"} if present else {"Accept-Encoding": "identity"}
    with requests.get(archive.url, headers=headers, stream=True, timeout=TIMEOUT) as response:
        if response.status_code == 416:  # a part that the server has no rest for
            partial.unlink()
            return
        response.raise_for_status()
        resumed = response.status_code == 206 and response.headers.get("Content-Range", "").startswith(f"bytes {present}-")
        written = present if resumed else 0
        bar = tqdm(total=archive.size, initial=written, desc=archive.file, unit="B", unit_scale=True, unit_divisor=1024)
        with bar, partial.open("ab" if resumed else "wb") as file:
            for chunk in response.iter_content(CHUNK):
                written += len(chunk)
                if written > archive.size:
                    file.truncate(0)
                    raise requests.RequestException(f"it sends more than the {archive.size} bytes that {archive.file} has")
                file.write(chunk)
                bar.update(len(chunk))


def _md5(path: Path) -> str:
    digest = hashlib.md5(usedforsecurity=False)
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def _unpack(archive: Archive, packed: Path, folder: Path) -> None:
    """Unpack the expected members, and nothing else, beside `folder`; rename when all are there."""
    aside = folder.with_name(f".{folder.name}.unpacking")
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir()
    missing = set(archive.members)
    try:
        with tarfile.open(packed) as tar:
            for member in tar:
                tarfile.data_filter(member, str(aside))  # refuses paths and links that lead outside, and devices
                if member.name in missing:
                    _unpack_member(tar, member, aside / Path(member.name).name)
                    missing.remove(member.name)
    except (tarfile.TarError, EOFError, zlib.error) as error:
        shutil.rmtree(aside, ignore_errors=True)
        raise DataError(f"{packed} can't be unpacked safely ({error}): delete it and run again.") from error
    if missing:
        shutil.rmtree(aside, ignore_errors=True)
        raise DataError(f"{packed} lacks {', '.join(sorted(missing))}: delete it and run again.")
    aside.replace(folder)


def _unpack_member(tar: tarfile.TarFile, member: tarfile.TarInfo, target: Path) -> None:
    if not member.isreg() or member.size > LARGEST_MEMBER:
        raise tarfile.TarError(f"{member.name} is no plain file or too large, {member.size} bytes")
    source = tar.extractfile(member)
    with source, target.open("wb") as file:
        shutil.copyfileobj(source, file, CHUNK)
    if target.stat().st_size != member.size:
        raise tarfile.TarError(f"{member.name} is cut off")


# ---------------------------------------------------------------------------------------------------------------- CIFAR-10-C


@dataclass(frozen=True, eq=False)
class _Folder:
    """A folder of CIFAR-10-C files: how many images each severity has, and whether all five are there."""

    path: Path
    full: bool
    count: int
    labels: np.ndarray

    @property
    def rows(self) -> int:
        return self.count * SEVERITIES if self.full else self.count


def _cifar10c_path(cfg: DictConfig) -> Path:
    """Return dataset.root if it holds any of the files, else the cache's folder, filled by a download if need be."""
    if cfg.run.dataset.root is not None:
        root = Path(cfg.run.dataset.root)
        if root.exists() and not root.is_dir():
            raise DataError(f"dataset.root, {root}, is not a folder: give the one that holds labels.npy and <corruption>.npy.")
        if any((root / f"{name}.npy").is_file() for name in (*_CORRUPTIONS, "labels")):
            return root
        _say_once(logging.INFO, f"No CIFAR-10-C in dataset.root, {root}: using cache_dir, {cfg.cache_dir}.")
    return fetch(CIFAR10C_ARCHIVE, Path(cfg.cache_dir))


def _read_npy(path: Path) -> np.ndarray:
    """Map an .npy file into memory; nothing in it is ever executed."""
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except FileNotFoundError as error:
        raise DataError(f"{path} is missing: complete the folder, or set dataset.root to one that is complete.") from error
    except (OSError, ValueError, EOFError, SyntaxError) as error:
        raise DataError(f"{path} can't be read as an .npy array ({error}): it is damaged or cut off; get it anew.") from error
    if not isinstance(array, np.ndarray):
        array.close()
        raise DataError(f"{path} is an archive of arrays; a single .npy array is wanted there.")
    return array


def _read_images(path: Path) -> np.ndarray:
    images = _read_npy(path)
    if images.dtype != np.uint8 or images.shape[1:] != (CIFAR_SIZE, CIFAR_SIZE, 3) or not len(images):
        raise DataError(f"{path} holds {images.dtype} {images.shape}; uint8 (N, {CIFAR_SIZE}, {CIFAR_SIZE}, 3) is wanted: get it anew.")
    return images


def _read_labels(path: Path) -> np.ndarray:
    labels = _read_npy(path)
    if not np.issubdtype(labels.dtype, np.integer) or labels.ndim != 1 or not len(labels):
        raise DataError(f"{path} holds {labels.dtype} {labels.shape}; whole numbers (N,) are wanted: get it anew.")
    return _check_labels(np.array(labels, np.int64), path)


def _check_labels(labels: np.ndarray, path: Path) -> np.ndarray:
    classes = len(CIFAR_CLASSES)
    if labels.min() < 0 or labels.max() >= classes:
        raise DataError(f"{path} holds labels from {labels.min()} to {labels.max()}; they must be from 0 to {classes - 1}: get it anew.")
    return labels


def _open_folder(path: Path, corruption: str) -> _Folder:
    """Tell by the lengths of a corruption's file and of labels.npy what the folder holds.

    All five severities: 5N rows with N labels, or 5N labels that repeat five times. One severity only: as many rows as labels.
    """
    labels = _read_labels(path / "labels.npy")
    rows, file = len(_read_images(path / f"{corruption}.npy")), path / f"{corruption}.npy"
    if rows == SEVERITIES * len(labels):
        return _Folder(path, full=True, count=len(labels), labels=labels)
    if rows != len(labels):
        raise DataError(
            f"{file} has {rows} images but {path / 'labels.npy'} {len(labels)} labels: as many, or five times as many images are wanted."
        )
    blocks = labels.reshape(SEVERITIES, -1) if rows % SEVERITIES == 0 else None
    if blocks is None or not (blocks == blocks[0]).all():
        return _Folder(path, full=False, count=rows, labels=labels)
    if len(np.unique(labels)) == 1 and rows > SEVERITIES:
        raise DataError(f"{path / 'labels.npy'} holds one class alone, so it can't be told how many severities {file} has: get it anew.")
    return _Folder(path, full=True, count=len(blocks[0]), labels=blocks[0])


def _is_official(path: Path, cache_dir: Path) -> bool:
    """Tell by its MD5 sum whether a file is the published one; sums are remembered in the cache, as they take a quarter second each."""
    known = OFFICIAL_MD5[path.name]
    status = path.stat()
    key = f"{path.resolve()}|{status.st_size}|{status.st_mtime_ns}"
    memory = cache_dir / "md5.json"
    try:
        sums = json.loads(memory.read_text("utf-8"))
    except (OSError, ValueError):
        sums = {}
    if not isinstance(sums, dict):
        sums = {}
    if key not in sums:
        sums[key] = _md5(path)
        with contextlib.suppress(OSError):  # it only saves time
            cache_dir.mkdir(parents=True, exist_ok=True)
            aside = memory.with_name(f"{os.getpid()}-{memory.name}")
            aside.write_text(json.dumps(sums), "utf-8")
            aside.replace(memory)
    return sums[key] == known


def _folder_origin(folder: _Folder, corruptions: tuple[str, ...], cache_dir: Path) -> str:
    """Return the one origin of all these files; all must be there, of one length, and not official in part only."""
    origins = {}
    for name in corruptions:
        file = folder.path / f"{name}.npy"
        if (rows := len(_read_images(file))) != folder.rows:
            raise DataError(f"{file} has {rows} images where the folder's others have {folder.rows}: get it anew.")
        official = folder.full and folder.count == 10_000 and _is_official(file, cache_dir)
        origins[name] = OFFICIAL if official else REGENERATED
    odd = [name for name, origin in origins.items() if origin == REGENERATED]
    if odd and len(odd) < len(origins):
        raise DataError(
            f"{folder.path} mixes published files with others ({', '.join(odd)}), whose numbers can't be compared: replace those files."
        )
    if not odd and not _is_official(folder.path / "labels.npy", cache_dir):
        raise DataError(f"{folder.path / 'labels.npy'} is not the published one, unlike the images beside it: get it anew.")
    return REGENERATED if odd else OFFICIAL


def _load_cifar10c(cfg: DictConfig, corruption: str) -> Images:
    severity = _known_severity(cfg.run.dataset.corruption_severity)
    folder = _open_folder(_cifar10c_path(cfg), corruption)
    origin = _folder_origin(folder, tuple(dict.fromkeys((corruption, *evaluation_corruptions(cfg)))), Path(cfg.cache_dir))
    if origin == REGENERATED:
        _say_once(logging.WARNING, f"{folder.path} is not the published CIFAR-10-C: its numbers must not stand beside published ones.")
    start = 0
    if folder.full:
        start = (severity - 1) * folder.count
    else:
        _say_once(logging.WARNING, f"{folder.path} holds one severity without saying which: taken for severity {severity}.")
    rows = _read_images(folder.path / f"{corruption}.npy")[start : start + folder.count]
    return Images(_to_tensor(rows), torch.from_numpy(folder.labels), origin, f"{corruption}-{severity}")


def _to_tensor(images: np.ndarray) -> torch.Tensor:
    """Turn (N, H, W, 3) into a contiguous (N, 3, H, W) tensor of its own memory."""
    return torch.from_numpy(np.array(images.transpose(0, 3, 1, 2), order="C"))


@cache
def _say_once(level: int, message: str) -> None:
    logger.log(level, message)


# ------------------------------------------------------------------------------------------------------------------- CIFAR-10


class _ArraysOnly(pickle.Unpickler):
    """Reads pickles of containers and NumPy arrays. Anything else could execute code, and is refused before it does."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in (("numpy.core.multiarray", "_reconstruct"), ("numpy._core.multiarray", "_reconstruct")):
            return np.empty(0).__reduce__()[0]  # NumPy's own, under whichever module name this NumPy has it
        if (module, name) == ("numpy", "ndarray"):
            return np.ndarray
        if (module, name) == ("numpy", "dtype"):
            return np.dtype
        raise pickle.UnpicklingError(f"it asks for {module}.{name}")


def _read_batch(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Read one of the published batches: images (N, 3, 32, 32) uint8 and labels (N,) int64."""
    try:
        if path.stat().st_size > LARGEST_MEMBER:
            raise DataError(f"{path} is too large for a batch of CIFAR-10: get it anew.")
        with path.open("rb") as file:
            batch = _ArraysOnly(file, encoding="bytes").load()
        images, labels = batch[b"data"], np.asarray(batch[b"labels"])
    except FileNotFoundError as error:
        raise DataError(f"{path} is missing: complete the folder, or remove it to download CIFAR-10.") from error
    except pickle.UnpicklingError as error:
        raise DataError(f"{path} is no batch of CIFAR-10 ({error}); nothing of it was executed: get it anew.") from error
    except DataError:
        raise
    except Exception as error:  # a damaged pickle can fail in any way
        raise DataError(f"{path} is no batch of CIFAR-10, or damaged ({type(error).__name__}: {error}): get it anew.") from error
    pixels = 3 * CIFAR_SIZE * CIFAR_SIZE
    if not isinstance(images, np.ndarray) or images.dtype != np.uint8 or images.ndim != 2 or images.shape[1] != pixels or not len(images):
        raise DataError(f"{path} holds no images, uint8 (N, {pixels}): get it anew.")
    if labels.shape != (len(images),) or not np.issubdtype(labels.dtype, np.integer):
        raise DataError(f"{path} holds {len(images)} images, but not as many whole numbers as labels: get it anew.")
    return images.reshape(-1, 3, CIFAR_SIZE, CIFAR_SIZE), _check_labels(labels.astype(np.int64), path)


def _cifar10_path(cfg: DictConfig, split: str) -> tuple[Path, bool]:
    """Return where CIFAR-10 is, and whether as published batches; downloads it if it is nowhere."""
    cache_dir = Path(cfg.cache_dir)
    places = [cache_dir / "cifar10"]
    if cfg.run.dataset.root is not None:
        root = Path(cfg.run.dataset.root)
        places = [root, root.parent, *places]
    first_batch = "data_batch_1" if split == "train" else "test_batch"
    for place in places:
        if (place / f"{split}_images.npy").is_file():
            return place, False
        for folder in (place, place / "cifar-10-batches-py"):
            if (folder / first_batch).is_file():
                return folder, True
    return fetch(CIFAR10_ARCHIVE, cache_dir), True


def _load_cifar10(cfg: DictConfig, split: str) -> Images:
    path, published = _cifar10_path(cfg, split)
    if published:
        names = [f"data_batch_{i}" for i in range(1, 6)] if split == "train" else ["test_batch"]
        batches_read = [_read_batch(path / name) for name in names]
        images = torch.from_numpy(np.concatenate([images for images, _ in batches_read]))
        labels = np.concatenate([labels for _, labels in batches_read])
        official = all(_is_official(path / name, Path(cfg.cache_dir)) for name in names)
    else:
        file, official = path / f"{split}_images.npy", False
        images, labels = _to_tensor(_read_images(file)), _read_labels(path / f"{split}_labels.npy")
        if len(images) != len(labels):
            raise DataError(f"{file} has {len(images)} images but {path / f'{split}_labels.npy'} {len(labels)} labels: get both anew.")
    return Images(images, torch.from_numpy(labels), OFFICIAL if official else COPY, f"cifar10-{split}")


# --------------------------------------------------------------------------------------------------------------------- digits


@cache
def _digits() -> tuple[np.ndarray, np.ndarray]:
    """Return scikit-learn's digits in a fixed random order: (1797, 32, 32, 3) uint8, enlarged by bicubic interpolation, and (1797,)."""
    from sklearn.datasets import load_digits  # slow to import, and needed here only

    digits = load_digits()
    mixed = np.random.default_rng(DIGITS_SPLIT_SEED).permutation(len(digits.target))
    greys = np.rint(DIGITS_PAPER + digits.images[mixed] * ((DIGITS_INK - DIGITS_PAPER) / 16)).astype(np.uint8)
    size, how = (DIGITS_INNER, DIGITS_INNER), Image.Resampling.BICUBIC
    images = np.full((len(mixed), DIGITS_SIZE, DIGITS_SIZE), DIGITS_PAPER, np.uint8)
    middle = slice((DIGITS_SIZE - DIGITS_INNER) // 2, (DIGITS_SIZE + DIGITS_INNER) // 2)
    images[:, middle, middle] = np.stack([np.asarray(Image.fromarray(image).resize(size, how)) for image in greys])
    return np.repeat(images[..., None], 3, axis=-1), digits.target[mixed].astype(np.int64)


def _digits_part(split: str) -> tuple[np.ndarray, np.ndarray]:
    images, labels = _digits()
    part = slice(None, DIGITS_TRAIN) if split == "train" else slice(DIGITS_TRAIN, None)
    return images[part], labels[part]


# -------------------------------------------------------------------------------------------------------- what a run asks for


def class_names(cfg: DictConfig) -> list[str]:
    """Return the names of the classes, in the order of the labels."""
    return list(CIFAR_CLASSES) if _dataset(cfg) == "cifar10c" else [str(digit) for digit in range(10)]


def _dataset(cfg: DictConfig) -> str:
    name = cfg.run.dataset.name
    if name not in ("cifar10c", "digitsc"):
        raise DataError(f"Unknown dataset.name {name!r}: it must be 'cifar10c' or 'digitsc'.")
    return name


def load_clean(cfg: DictConfig, split: str) -> Images:
    """Load the images without corruption, "train" or "test"; downloads CIFAR-10 if it is nowhere."""
    if split not in ("train", "test"):
        raise DataError(f"Unknown split {split!r}: it must be 'train' or 'test'.")
    if _dataset(cfg) == "cifar10c":
        return _load_cifar10(cfg, split)
    images, labels = _digits_part(split)
    return Images(_to_tensor(images), torch.from_numpy(labels), DIGITS, f"digits-{split}")


def load_corruption(cfg: DictConfig, corruption: str) -> Images:
    """Load all test images under one corruption at dataset.corruption_severity, in the order of the file."""
    name, severity = _known_corruption(corruption), _known_severity(cfg.run.dataset.corruption_severity)
    if cfg.run.dataset.split != "test":
        raise DataError(f"dataset.split is {cfg.run.dataset.split!r}; corrupted images are test images: it must be 'test'.")
    if _dataset(cfg) == "cifar10c":
        return _load_cifar10c(cfg, name)
    images, labels = _digits_part("test")
    corrupted = corrupt(images, name, severity, TEST_CORRUPTION_SEED)
    return Images(_to_tensor(corrupted), torch.from_numpy(labels), DIGITS, f"{name}-{severity}")


def load_search(cfg: DictConfig, corruption: str) -> Images:
    """Load what the search may see of a corruption: images that no evaluation scores (see `search_indices`).

    With search.images = 0 these are training images that are corrupted here, with other random numbers than any test image.
    """
    name, severity = _known_corruption(corruption), _known_severity(cfg.run.dataset.corruption_severity)
    if _whole(cfg.search.images, "search.images", 0):
        data = load_corruption(cfg, name)
        return select(data, search_indices(cfg, len(data)))
    clean = load_clean(cfg, "train")
    chosen = select(clean, search_indices(cfg, len(clean)))
    corrupted = corrupt(chosen.images.permute(0, 2, 3, 1).numpy(), name, severity, SEARCH_CORRUPTION_SEED)
    origin = DIGITS if clean.origin == DIGITS else REGENERATED
    return Images(_to_tensor(corrupted), chosen.labels, origin, f"{name}-{severity}-train")


def evaluation_corruptions(cfg: DictConfig) -> list[str]:
    """Return the corruptions of the evaluation: dataset.corruption_types, "all" standing for the standard fifteen."""
    wanted = cfg.run.dataset.corruption_types
    if wanted == "all":
        return list(STANDARD)
    if not isinstance(wanted, list | tuple | ListConfig) or not len(wanted):
        raise DataError(f"dataset.corruption_types is {wanted!r}; it must be 'all' or a list of corruptions.")
    names = [_known_corruption(name) for name in wanted]
    if len(set(names)) < len(names):
        raise DataError(f"dataset.corruption_types names a corruption twice: {', '.join(names)}.")
    if cfg.run.optuna.enabled and set(names) & set(HELD_OUT):
        shared = ", ".join(name for name in names if name in HELD_OUT)
        raise DataError(f"dataset.corruption_types has {shared}, which the search uses: leave it out or set optuna.enabled to false.")
    return names


def search_corruptions(cfg: DictConfig) -> list[str]:
    """Return the corruptions of the search, always the four held-out ones."""
    _dataset(cfg)
    return list(HELD_OUT)


def evaluation_indices(cfg: DictConfig, count: int) -> torch.Tensor:
    """Return which of `count` test images are scored: the first stream.images of those that are not kept for the search."""
    kept = count - _reserved(cfg, count)
    limit = cfg.stream.images
    return torch.arange(kept if limit is None else min(kept, _whole(limit, "stream.images", 1)))


def search_indices(cfg: DictConfig, count: int) -> torch.Tensor:
    """Return which images the search uses, at most search.images_per_corruption.

    search.images > 0: of `count` test images, from the last search.images, which the evaluation leaves out.
    search.images = 0: of `count` training images, a fixed random choice.
    """
    reserved = _reserved(cfg, count)
    limit = cfg.search.images_per_corruption
    if reserved:
        pool = torch.arange(count - reserved, count)
    else:
        pool = torch.from_numpy(np.random.default_rng(SEARCH_CHOICE_SEED).permutation(count))
    return pool if limit is None else pool[: _whole(limit, "search.images_per_corruption", 1)]


def _reserved(cfg: DictConfig, count: int) -> int:
    reserved = _whole(cfg.search.images, "search.images", 0)
    if reserved >= count:
        raise DataError(f"search.images is {reserved}, but a corruption has {count} images, which leaves none to evaluate on: lower it.")
    return reserved


def _whole(value: object, name: str, least: int) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and value >= least:
        return value
    raise DataError(f"{name} is {value!r}; it must be a whole number, {least} or more.")


# --------------------------------------------------------------------------------------------------------------------- stream


def order(cfg: DictConfig, seed: int, corruption: str, count: int) -> torch.Tensor:
    """Return the order of a stream, (count,): that of the file, or one permutation for each (seed, corruption), whatever the method."""
    if cfg.stream.order == "file":
        return torch.arange(count)
    if cfg.stream.order == "shuffled":
        rng = np.random.default_rng([_known_seed(seed), zlib.crc32(_known_corruption(corruption).encode())])
        return torch.from_numpy(rng.permutation(count))
    raise DataError(f"Unknown stream.order {cfg.stream.order!r}: it must be 'file' or 'shuffled'.")


def batches(count: int, batch_size: int, last_batch: str) -> list[tuple[slice, bool]]:
    """Cut `count` images into batches, each with whether the model may learn from it.

    A smaller last batch is kept ("keep"), predicted without an update ("skip_update") or left out ("drop").
    """
    if _whole(batch_size, "dataset.batch_size", 1) == 1:
        _say_once(logging.WARNING, "dataset.batch_size is 1: BatchNorm statistics are those of a single image.")
    if last_batch not in ("keep", "skip_update", "drop"):
        raise DataError(f"Unknown stream.last_batch {last_batch!r}: it must be 'keep', 'skip_update' or 'drop'.")
    cut = [(slice(start, start + batch_size), True) for start in range(0, count - batch_size + 1, batch_size)]
    done = len(cut) * batch_size
    if done < count and last_batch != "drop":
        cut.append((slice(done, count), last_batch == "keep"))
    if not cut:
        raise DataError(f"{count} images make no batch of {batch_size} with stream.last_batch={last_batch}: lower dataset.batch_size.")
    return cut


@cache
def _scale_and_shift(mean: tuple[float, ...], std: tuple[float, ...], device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """Return s and t, (1, 3, 1, 1), with x·s + t = (x/255 − mean)/std."""
    if len(mean) != 3 or len(std) != 3 or not all(math.isfinite(value) for value in (*mean, *std)) or min(std) <= 0:
        raise DataError(f"dataset.preprocessing.normalize needs three means and three deviations above 0, not {mean} and {std}.")
    means, deviations = torch.tensor(mean, dtype=torch.float64), torch.tensor(std, dtype=torch.float64)
    scale, shift = 1 / (255 * deviations), -means / deviations
    return scale.float().view(1, 3, 1, 1).to(device), shift.float().view(1, 3, 1, 1).to(device)


def normalise(
    images: torch.Tensor,
    mean: Any,
    std: Any,
    dtype: torch.dtype = torch.float32,
    memory_format: torch.memory_format = torch.channels_last,
) -> torch.Tensor:
    """Turn uint8 images (B, 3, H, W) into (x/255 − mean)/std, computed in fp32 and returned as `dtype` in `memory_format`."""
    scale, shift = _scale_and_shift(tuple(map(float, mean)), tuple(map(float, std)), images.device)
    floating = images.to(torch.float32, memory_format=memory_format).mul_(scale).add_(shift)
    return floating.to(dtype, memory_format=memory_format)
