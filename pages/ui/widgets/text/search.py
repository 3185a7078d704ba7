"""Search for words in texts."""


def matches(words: str, *texts: str) -> bool:
    """Return whether texts contain all words of a search, in any case."""
    content = " ".join(texts).casefold()
    return all(word in content for word in words.casefold().split())
