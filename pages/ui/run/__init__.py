"""Views of one run, such as live training, controls, result, diagnosis and annotations."""
