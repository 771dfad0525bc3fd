"""The report as a page, from records alone: no engine, no files, no network.

content   what is shown, as plain values that also make report.json
page      the HTML
summary   the same in short, as Markdown
"""

from gansmith.pages.content import Picture, Pictures, Report, RunRecord
from gansmith.pages.page import html
from gansmith.pages.summary import markdown

__all__ = ["Picture", "Pictures", "Report", "RunRecord", "html", "markdown"]
