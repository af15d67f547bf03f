"""Published vision transformers, built by timm, with weights from a local file in any common layout."""
