"""Volumes: arrays that know where they lie, and the files they come from."""
