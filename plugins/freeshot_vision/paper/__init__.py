"""The paper's suite: its tracks, pools and rows at full size, on images and weights that everybody fetches by hand."""
