"""What maintainers run: lessons and translations in, notebooks out, and the checks on both.

Nothing in `course_lib` or in a lesson imports this package.
"""
