"""The vocabulary and arithmetic that every domain speaks: pure, standard library only, money as Decimal."""
