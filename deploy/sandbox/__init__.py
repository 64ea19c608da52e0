"""An exchange for trying things on: speaks Binance USD-M's and Bybit v5's wire protocol on loopback.

One venue core (`core`) under two dialects (`binance`, `bybit`), with control routes under /sandbox.
"""
