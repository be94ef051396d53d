"""Admission policies written in CEL: ValidatingAdmissionPolicy and MutatingAdmissionPolicy."""
