"""Pictures of the console's pages: python -m bench.pictures"""
