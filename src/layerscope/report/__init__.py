"""The report: one page, its figures, and its tables."""

from layerscope.report.page import write_report
from layerscope.report.sentences import Advice, advise, number

__all__ = ["Advice", "advise", "number", "write_report"]
