# Commands of your own: `make help` lists every target that has a text after two hashes.
