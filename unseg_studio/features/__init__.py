"""What an image looks like, in numbers: deep and hand-made features; torch comes on first use."""
