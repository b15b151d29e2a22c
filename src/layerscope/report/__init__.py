"""The report: one page, its figures, and its tables."""

from layerscope.report.page import write_report
from layerscope.report.sentences import advise

__all__ = ["advise", "write_report"]
