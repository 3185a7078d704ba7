"""Views of one run: live training, controls, result, diagnosis and annotations."""
