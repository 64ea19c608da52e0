"""Daily equity of accounts, from the readings that are taken anyway."""
