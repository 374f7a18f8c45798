"""Where trimtab meets other tools: vectors of theirs and for them, the Hub, and programs that evaluate."""
