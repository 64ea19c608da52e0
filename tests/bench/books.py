"""What the books cost: `python -m tests.bench.books`."""
