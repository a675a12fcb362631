"""What computes here, in words for reports."""

from unseg_studio.features.machine import core_count as core_count
from unseg_studio.features.machine import processor as processor
