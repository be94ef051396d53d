"""Data only: what every cluster is given (addons), samples, and a compose file. Holds no code."""
