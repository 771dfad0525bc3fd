"""The report as a page, from records alone: no engine, no files, no network.

content   what is shown, as plain values that also make report.json
page      the HTML
summary   the same in short, as Markdown
health    what was found of a run's health
"""

from gansmith.pages.content import Picture, Pictures, Report, RunRecord
from gansmith.pages.health import Health
from gansmith.pages.page import diagnosis, html
from gansmith.pages.summary import markdown

__all__ = ["Health", "Picture", "Pictures", "Report", "RunRecord", "diagnosis", "html", "markdown"]
