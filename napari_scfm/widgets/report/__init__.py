"""The report dock and its pages."""
