"""Type checking of ValidatingAdmissionPolicies. schemas and typecheck are pure; sync does the I/O."""

from controllers.policystatus.sync import start

__all__ = ["start"]
