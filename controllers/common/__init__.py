"""What several controllers share: pods, adoption, expectations, batches, templates. Imports no controller."""
