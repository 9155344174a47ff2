"""Showing people how good a classifier is and where it errs: the parts of the app ``course app``.

`datasets` and `uploads` bring the rows, `models` and `training` the model, `evaluation`, `importance` and
`samples` what there is to show, the modules of `charts` the figures. They know nothing of Streamlit; those
of `app` do.
"""
