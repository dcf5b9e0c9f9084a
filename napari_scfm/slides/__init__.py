"""From disk to Slide and FieldOfView; one module or package per format."""
