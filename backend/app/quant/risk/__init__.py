"""What could go wrong: of a portfolio's weights, of its own returns, and of any series.

Losses are negative. Every figure is a number or the reason why there is none.
"""
