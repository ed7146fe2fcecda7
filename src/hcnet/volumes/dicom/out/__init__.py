"""Results as DICOM objects that belong to the exam they were made from."""
