"""Crashes, outages and repeats against a real server: nothing acknowledged is lost or doubled."""
