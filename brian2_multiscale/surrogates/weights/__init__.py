"""Surrogates that come with the package, and how they are trained."""
