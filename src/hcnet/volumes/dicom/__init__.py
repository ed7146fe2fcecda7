"""DICOM in: files, headers, series, stacks of slices, pixels and segmentation objects."""
