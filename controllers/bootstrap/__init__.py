"""Bootstrap tokens: the signatures that new nodes trust, and the end of expired tokens. Off by default, as upstream."""
