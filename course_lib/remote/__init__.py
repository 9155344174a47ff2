"""Remote data science with PySyft: the data stay, the code travels, a person reads it in between.

Promises parts that run on one machine, with no account and no network: each party in a process of its own
(`parties`), a store between them (`drive`), a private table and a mock made without looking at it
(`admissions`), an approval that holds for exactly the code that was read (`review`), walls around a running
job (`runner`, `supervisor`), and a record of each researcher's privacy budget (`budget`).

Leaves out what needs Google Drive and a login: what changes there stands in the lesson.
"""
