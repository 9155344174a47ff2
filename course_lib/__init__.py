"""What the course's notebooks import: one package per subject, one module per idea.

Promises: importing ``course_lib`` itself imports nothing else, so that a lesson pays only for
the subject it uses. Start with ``course_lib.data`` (the data sets), ``course_lib.exercises``
(checks that answer with a hint) and the package of your lesson, for example ``course_lib.he``.
"""

__version__ = "0.1.0"
