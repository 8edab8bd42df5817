"""What a person looks at: the self-contained report."""

from zeeman.console.report import render_report as render_report
from zeeman.console.report import write_report as write_report
