"""The Common Expression Language as Kubernetes uses it: parser, type checker, cost estimate, evaluator and function libraries.

Of our own, because the rules of CRDs and admission policies need what no binding offers: types declared from schemas, cel-go's
exact errors, and static cost limits. Pure; nothing here may do I/O.
"""
