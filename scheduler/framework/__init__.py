"""What plugins and the cycle share: the snapshot of the nodes, the parsed pod, the plugin interfaces. Pure."""
