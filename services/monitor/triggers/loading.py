"""What is done once, when the levels are loaded and before the first price is held against them."""

import gc


def settle_memory() -> None:
    """Collect garbage, and keep the collector from ever going through what is left again.

    That is the positions, of which there may be a million, and all code: a full collection walks over them and would
    hold a price up for as long, which is 60 ms at ten thousand positions and seconds at a million. What comes and goes
    afterwards is collected as ever.
    """
    gc.collect()
    gc.freeze()
