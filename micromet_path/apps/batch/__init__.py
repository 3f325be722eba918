"""Archives: thousands of slides, each in a process of its own, on one machine or many.

`plan` says what there is to do, `job` does one slide and never raises, `engines` run jobs here or on a cluster,
`collector` hands them out, tries again what may pass, and records what came of each. A worker writes the folder of
its slide and nothing else; only the collector writes the database.
"""
