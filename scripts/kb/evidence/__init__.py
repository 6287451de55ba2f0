"""From a notebook to a receipt, and from a receipt to a verdict."""
