"""Faults on purpose: real daemons are killed or stopped while they work, and the cluster must still end as asked."""
