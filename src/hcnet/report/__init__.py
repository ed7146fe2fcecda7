"""Report: figures and self-contained HTML pages."""
