"""Arrays in, arrays out: tissue, stain, scan, link, outlines. No files, no clinical words.

The order in which the steps run is known to `pipeline` alone.
"""
