"""The archive that a folder of results is: its runs, its database, and whether it is still what was written.

The folders are the truth. The database is made from them, by one set of functions whether a run writes slide after
slide or `reindex` reads them all, so that it can be thrown away and made again.
"""
