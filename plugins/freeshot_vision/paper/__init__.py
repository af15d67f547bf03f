"""The paper's suite: tracks, pools and rows at full size; users download images and weights themselves."""
