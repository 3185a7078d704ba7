"""Parts of the pages: widgets, texts, forms, views of runs and browser components."""
