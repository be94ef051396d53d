"""The API's own answers about identity and permission: reviews, and tokens for service accounts."""
