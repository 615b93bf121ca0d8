"""Build the report of an evaluation: one HTML file that opens from disk. Add up the votes cast in it."""

from scripts.report.figures import compare
from scripts.report.report_contents import Estimate, HandMade, QueryArticle, Report, Suggestion
from scripts.report.report_page import FACTS, write_report
from scripts.report.votes import add_up

__all__ = ["FACTS", "Estimate", "HandMade", "QueryArticle", "Report", "Suggestion", "add_up", "compare", "write_report"]
