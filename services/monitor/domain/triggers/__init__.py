"""Which positions a price triggers, at the same cost for a hundred of them as for a million.

Invariants: `services.common.trading.effective_levels.reached_level`, on the exact Decimals, is the one rule of what
fires; only enforced levels do; the watermark under a trailing stop starts at the mark at which it was armed, only ever
moves in the position's favour, and is raised before the price is held against the stop. Prices given here are checked
already.

Floats only choose the candidates that the rule is asked about, and can leave none out. Every Decimal is turned into the
float nearest to it, so an order among Decimals is never reversed among their floats: for pinned levels and watermarks
the float's comparison, equality counted as reached, is enough. A trailing stop's float is computed, which is wrong by
at most a few parts in 10^16; it is compared with a slack of parts in 10^12, and what lies within is a candidate. Levels
are not rounded to the venue's tick: a price has reached a level when it touches the exact number or is past it, however
far.

Two signs make one code: everything is multiplied by +1 for what fires when the price falls (stops of longs, targets of
shorts) and by -1 for what fires when it rises, so that within a half-book things always fire downwards.
"""
