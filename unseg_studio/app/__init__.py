"""The standalone window: canvas, brush and overlay over one document."""
