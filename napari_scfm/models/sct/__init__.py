"""sCellTransformer: the network, its files, and the model over them."""
