"""How crypto's own words are meant, on VADER's scale from -4 to 4.

VADER knows the English of social media; it does not know that diamond hands hold and that a rug is pulled, and it takes
a hash for food and a share for generosity. Words here replace its own; phrases are read as one word. Numbers were set
by hand on the half of the labelled set that is not held out.
"""

WORDS: dict[str, float] = {
    # Prices.
    **dict.fromkeys(("bullish", "moon", "mooning", "moonshot", "gigabullish", "uptober", "wagmi", "lfg"), 2.8),
    **dict.fromkeys(("pump", "pumping", "pumped", "rally", "rallies", "rallied", "rallying", "surge", "surges"), 2.2),
    **dict.fromkeys(("surged", "surging", "soar", "soars", "soared", "soaring", "skyrocket", "skyrockets"), 2.4),
    **dict.fromkeys(("breakout", "parabolic", "rocket", "ath", "ripping", "uptrend", "rebound", "rebounds"), 2.0),
    **dict.fromkeys(("bounce", "bounces", "bounced", "climb", "climbs", "climbing", "rises", "rising"), 1.2),
    **dict.fromkeys(("accumulate", "accumulating", "accumulation", "stacking", "hodl", "hodlers", "hodling"), 1.6),
    **dict.fromkeys(
        ("undervalued", "inflows", "outperform", "outperforming", "outperforms", "reclaim", "doubled"), 1.8
    ),
    **dict.fromkeys(("adoption", "deflationary", "upgrade", "upgraded", "approves", "approved", "approval"), 1.4),
    **dict.fromkeys(("bulls", "green", "upside", "dip-buyers", "gem", "tailwind", "bid"), 1.0),
    **dict.fromkeys(("bearish", "rekt", "wrecked", "ngmi", "rugpull", "rugged", "scam", "ponzi", "honeypot"), -3.0),
    **dict.fromkeys(("dump", "dumps", "dumped", "dumping", "plunge", "plunges", "plunged", "plunging", "nuked"), -2.5),
    **dict.fromkeys(("crash", "crashes", "crashed", "crashing", "collapse", "collapses", "collapsed"), -2.8),
    **dict.fromkeys(
        ("plummet", "plummets", "tumble", "tumbles", "tumbled", "slump", "slumps", "slide", "slides"), -2.0
    ),
    **dict.fromkeys(("liquidated", "liquidation", "liquidations", "capitulation", "capitulated", "bloodbath"), -2.2),
    **dict.fromkeys(("bleed", "bleeds", "bleeding", "red", "sell-off", "selloff", "outflows", "fud"), -1.6),
    **dict.fromkeys(("downtrend", "breakdown", "rejected", "rejection", "overhang", "underperforms", "downside"), -1.6),
    **dict.fromkeys(("bears", "bagholder", "bagholders", "shitcoin", "vaporware", "bulltrap", "jeeted"), -2.0),
    # What happens to coins and those who keep them.
    **dict.fromkeys(("hacked", "hack", "hackers", "hacker", "exploit", "exploited", "exploits", "drained"), -2.8),
    **dict.fromkeys(("stolen", "stole", "phishing", "insolvent", "insolvency", "bankruptcy", "bankrupt"), -2.8),
    **dict.fromkeys(("depeg", "depegged", "halted", "halts", "frozen", "freeze", "freezes", "delisted"), -2.2),
    **dict.fromkeys(("delisting", "delist", "sues", "sued", "lawsuit", "subpoena", "indicted", "arrested"), -2.0),
    **dict.fromkeys(("ban", "bans", "banned", "crackdown", "outage", "congested", "unlock", "unlocks"), -1.6),
    # Everyday words that mean nothing here.
    **dict.fromkeys(("hash", "share", "shares", "interest", "block", "blocks", "exchange", "token", "tokens"), 0.0),
    **dict.fromkeys(("stake", "staking", "proof", "play", "like", "fork", "native", "margin", "cross", "pain"), 0.0),
    **dict.fromkeys(("isolated", "difficulty", "limit", "stop", "stops", "short", "active", "question"), 0.0),
    **dict.fromkeys(("shared", "matter", "interested", "security", "securities", "debt", "support", "bag"), 0.0),
}

PHRASES: dict[str, float] = {
    **dict.fromkeys(("to the moon", "diamond hands", "gonna make it", "so back", "bottom is in"), 2.8),
    **dict.fromkeys(("all time high", "new high", "record high", "higher highs", "higher lows", "golden cross"), 2.2),
    **dict.fromkeys(("buy the dip", "buying the dip", "bought the dip", "loading my bags", "still early"), 2.0),
    **dict.fromkeys(("short squeeze", "shorts are getting squeezed", "bullish divergence", "next leg up"), 2.2),
    **dict.fromkeys(("breaking out", "lawsuit dismissed", "lawsuit settled", "strong hands", "green candles"), 2.2),
    **dict.fromkeys(("supply shock", "flipped to support", "is accumulating", "are accumulating"), 1.8),
    **dict.fromkeys(("shorts liquidated", "bears got wrecked", "bears got rekt", "sellers are exhausted"), 2.2),
    **dict.fromkeys(
        ("rug pull", "rug pulled", "exit scam", "exit liquidity", "going to zero", "dead cat bounce"), -3.0
    ),
    **dict.fromkeys(("death cross", "bear market", "crypto winter", "double top", "head and shoulders"), -2.2),
    **dict.fromkeys(("lower highs", "lower lows", "long squeeze", "bull trap", "falling knife", "paper hands"), -2.2),
    **dict.fromkeys(("bearish divergence", "margin call", "forced selling", "panic selling", "selling pressure"), -2.2),
    **dict.fromkeys(("broke below", "lost its peg", "down only", "down bad", "it is over", "wiped out"), -2.2),
    **dict.fromkeys(("halted withdrawals", "halts withdrawals", "withdrawals halted", "bad debt"), -3.0),
    **dict.fromkeys(("outpaces supply", "generational wealth", "strategic reserve", "squeezed hard"), 2.0),
    **dict.fromkeys(("liquidation price", "liquidation prices"), 0.0),
    **dict.fromkeys(("support broke", "next leg down", "next leg lower", "longs liquidated", "risk off"), -2.0),
}
