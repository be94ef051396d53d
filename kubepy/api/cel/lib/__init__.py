"""Function libraries, one file each. Each offers `TABLE`, its declarations."""
