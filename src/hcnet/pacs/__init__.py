"""Exams from an archive (PACS), and results back: DICOMweb and DIMSE, as a client only."""
