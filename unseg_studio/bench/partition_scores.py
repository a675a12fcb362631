"""How well labels divide an image where people divided it too, several of them and each otherwise.

Best IoU after W. Kim, A. Kanezaki, M. Tanaka, "Unsupervised Learning of Image Segmentation Based
on Differentiable Feature Clustering", IEEE Transactions on Image Processing 29, 2020: unconnected
parts of one label are segments of their own, each segment of a person has the IoU of whatever
segment fits it best, and the mean is taken over the segments of all images at once: it is no mean
of means, so images that were divided finely weigh more. A person's segments stay as they are, even
where they are unconnected. A prediction of one constant label then has the number of annotations
divided by the number of their segments.

Covering and variation of information as in P. Arbelaez et al., "Contour Detection and Hierarchical
Image Segmentation", IEEE TPAMI 33(5), 2011; adjusted Rand index: L. Hubert, P. Arabie, "Comparing
partitions", Journal of Classification 2, 1985. All of them judge the same connected parts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from skimage.measure import label

Labels = NDArray[np.int32]
Values = NDArray[np.float64]
Counts = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Overlap:
    """How many pixels each segment of one division shares with each of another.

    Parameters
    ----------
    rows, columns : ndarray, (N,) int64
        Pairs of segments that share pixels: of the truth, and of the labels; from 0 up.
    pixels : ndarray, (N,) int64
        How many, above 0.
    """

    rows: Counts
    columns: Counts
    pixels: Counts

    @classmethod
    def of(cls, truth: Labels, labels: Labels) -> Overlap:
        """Of two planes of one size; any values, each stands for a segment."""
        rows, columns = (
            np.unique(plane, return_inverse=True)[1].ravel() for plane in (truth, labels)
        )
        shared = coo_array((np.ones(len(rows), np.int64), (rows, columns))).tocsr().tocoo()
        return cls(*(np.asarray(a, np.int64) for a in (shared.row, shared.col, shared.data)))

    @cached_property
    def row_pixels(self) -> Counts:
        """Size of each segment of the truth."""
        return _totals(self.rows, self.pixels)

    @cached_property
    def column_pixels(self) -> Counts:
        """Size of each segment of the labels."""
        return _totals(self.columns, self.pixels)

    @cached_property
    def ious(self) -> Values:
        """IoU of each pair, (N,)."""
        both = self.row_pixels[self.rows] + self.column_pixels[self.columns]
        return np.asarray(self.pixels / (both - self.pixels))

    @cached_property
    def best_ious(self) -> Values:
        """The best IoU of each segment of the truth with any of the labels."""
        best = np.zeros(len(self.row_pixels))
        np.maximum.at(best, self.rows, self.ious)
        return best

    @property
    def covering(self) -> float:
        """Mean over the pixels of the best IoU of the true segment that they lie in."""
        return float(np.average(self.best_ious, weights=self.row_pixels))

    @property
    def variation_of_information(self) -> float:
        """Bits that one division does not tell of the other, both ways; 0 for the same division."""
        margins = _entropy(self.row_pixels) + _entropy(self.column_pixels)
        return max(0.0, 2 * _entropy(self.pixels) - margins)

    @property
    def adjusted_rand(self) -> float:
        """Agreement of pairs of pixels: 1 for the same division, 0 is what chance would give."""
        pairs = _pairs(self.pixels)
        rows, columns = _pairs(self.row_pixels), _pairs(self.column_pixels)
        expected = rows * columns / max(1.0, _pairs(self.pixels.sum(keepdims=True)))
        most = (rows + columns) / 2
        return 1.0 if most == expected else (pairs - expected) / (most - expected)


@dataclass(frozen=True, eq=False)
class BsdsScores:
    """What `bsds_scores` found on one image, or on several of them pooled.

    Parameters
    ----------
    all, fine, coarse : ndarray, (S,) float64
        Best IoU of each true segment: of all annotations, of the one with the most segments, and
        of the one with the fewest; of several such, of the first.
    covering, variation_of_information, adjusted_rand : float
        Means over the annotations.
    """

    all: Values
    fine: Values
    coarse: Values
    covering: float
    variation_of_information: float
    adjusted_rand: float


def connected_parts(labels: Labels) -> Labels:
    """Give each connected part of each label an id of its own, from 1 up.

    Parts that only touch at a corner are not connected.
    """
    shifted = labels.astype(np.int64) - int(labels.min()) + 1
    return np.asarray(label(shifted, background=0, connectivity=1), np.int32)


def bsds_scores(labels: Labels, annotations: Sequence[Labels]) -> BsdsScores:
    """Compare labels with what people drew.

    Parameters
    ----------
    labels : ndarray, (H, W) int32
        Any ids; connected parts of them are compared.
    annotations : sequence of ndarray, (H, W) int32
        One or more; each value is a segment, and every pixel counts.

    Raises
    ------
    ValueError
        If there is no annotation, or one of another size.
    """
    for annotation in annotations:
        if annotation.shape != labels.shape:
            raise ValueError(
                f"Labels of {labels.shape} were compared with an annotation of "
                f"{annotation.shape}; accepted is one of the same rows and columns."
            )
    if not annotations:
        raise ValueError("Labels were compared with no annotation; give one or more.")
    parts = connected_parts(labels)
    overlaps = [Overlap.of(annotation, parts) for annotation in annotations]
    best = [overlap.best_ious for overlap in overlaps]
    return BsdsScores(
        np.concatenate(best),
        max(best, key=len),
        min(best, key=len),
        _mean(overlap.covering for overlap in overlaps),
        _mean(overlap.variation_of_information for overlap in overlaps),
        _mean(overlap.adjusted_rand for overlap in overlaps),
    )


def pooled(scores: Iterable[BsdsScores]) -> dict[str, float]:
    """What a table says of many images.

    Parameters
    ----------
    scores : iterable of BsdsScores
        One for each image, at least one.

    Returns
    -------
    dict of str to float
        `all`, `fine` and `coarse`: means over the true segments of all images. `covering`,
        `variation_of_information` and `adjusted_rand`: means over the images.
    """
    images = [*scores]
    segments: dict[str, Callable[[BsdsScores], Values]] = {
        "all": lambda image: image.all,
        "fine": lambda image: image.fine,
        "coarse": lambda image: image.coarse,
    }
    ious = {name: np.concatenate([*map(of, images)]).mean() for name, of in segments.items()}
    return {
        **{name: float(iou) for name, iou in ious.items()},
        "covering": _mean(image.covering for image in images),
        "variation_of_information": _mean(image.variation_of_information for image in images),
        "adjusted_rand": _mean(image.adjusted_rand for image in images),
    }


def _totals(which: Counts, pixels: Counts) -> Counts:
    return np.bincount(which, pixels).astype(np.int64)


def _entropy(pixels: Counts) -> float:
    """In bits."""
    shares = pixels / pixels.sum()
    return float(-(shares * np.log2(shares)).sum())


def _pairs(pixels: Counts) -> float:
    """How many pairs of pixels lie in the same group."""
    return float((pixels * (pixels - 1) / 2).sum())


def _mean(values: Iterable[float]) -> float:
    return float(np.mean([*values]))
