"""The app ``course app``: Streamlit runs `script`, which has `page` draw all there is; `work` holds its jobs.

`choices`, `state` and `sidebar` hold what somebody chose; `jobs` and `waiting` what takes long; `results`,
`rows` and `downloads` what is shown. `run` and `server` start it, in a terminal and from a notebook.
"""
