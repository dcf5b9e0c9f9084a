"""Work in a process of its own: what would hold the window still in a thread.

igraph and umap-learn keep Python's lock while they compute, two seconds at a stretch
at 100,000 cells. A process that is kept warm does the same with the same code, so the
same numbers come of it, and is ended when the work is cancelled.
"""
