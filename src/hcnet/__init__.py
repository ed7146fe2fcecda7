"""hcnet: tumour segmentation with heterogeneity clustering in non-contrast breast MRI."""
