"""kubepy: what every daemon of the control plane shares. Imports none of the daemons."""
