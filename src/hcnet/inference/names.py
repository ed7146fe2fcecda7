"""The names of the files that segmenting writes, and the words on all of them."""

SUMMARY = "summary.json"
MANIFEST = "manifest.json"
NOTICE = "Research software, not a medical device; not for diagnosis or treatment."
DICOM_FILES = ("tumour.dcm", "heterogeneity.dcm", "probability.dcm")
"""Written beside the NIfTI files where the input is DICOM."""
UNCERTAINTY = "tumour_uncertainty.nii.gz"
DISAGREEMENT = "tumour_disagreement.nii.gz"
"""Written where there was more than one pass."""
SOMETIMES = (*DICOM_FILES, DISAGREEMENT)
"""All that is not written for every exam."""
