"""What every study is made of: run folders, steps, progress, statistics, provenance."""
