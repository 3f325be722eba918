"""The benchmark of archives: how fast a batch is, and what is left of it when everything is done to break it.

Every run is the command itself in processes of its own. `throughput` compares one worker with two, `kills` ends runs
at random moments, `damage` and `corrupted` feed it files that are broken in every way that is known, `many` runs
thousands of slides. `compare` says whether two runs came to the same.
"""
