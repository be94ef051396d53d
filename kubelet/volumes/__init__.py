"""A pod's volumes on the host: made before its containers, kept current, removed after them."""
