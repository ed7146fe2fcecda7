"""The command line, one file a verb; importing it does not import torch."""
