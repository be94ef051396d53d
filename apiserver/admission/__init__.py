"""Admission plugins, one file each; plugins never import plugins."""
