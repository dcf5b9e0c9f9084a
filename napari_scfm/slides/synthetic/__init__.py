"""A simulated tissue with its planted truth, and writers of the vendors' layouts."""
