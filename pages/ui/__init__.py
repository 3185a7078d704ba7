"""Parts of the pages, such as widgets, texts, forms, views of runs and browser components."""
