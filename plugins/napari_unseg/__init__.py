"""UnSeg Studio inside napari."""
