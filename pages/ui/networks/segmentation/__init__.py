"""Segmentation page, with images, masks and the maps that the networks of a run predict."""
