"""Training: losses, patches, one loop, and the three stages over it."""
