"""What a cluster holds from its first start: default RBAC, priority classes, flow control. Data, and what writes it."""
