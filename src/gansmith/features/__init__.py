"""Feature extractors: samples in their native form to vectors [N, D], on which the metrics compare sets."""

from gansmith.features.choice import EXTRACTORS, choose
from gansmith.features.extractor import Extractor, Rows, extract

__all__ = ["EXTRACTORS", "Extractor", "Rows", "choose", "extract"]
