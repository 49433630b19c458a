"""Image data: known datasets, files and folders of one's own, downloads."""
