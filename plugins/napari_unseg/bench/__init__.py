"""How soon the plugin answers inside real napari: `python -m napari_unseg.bench`."""
