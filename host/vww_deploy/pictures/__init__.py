"""A picture's way to the model's input: files, camera formats, preprocessing, labels, the model card."""
