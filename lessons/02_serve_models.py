# %% [markdown]
# # Serve a model, and watch it
#
# A model that stands in a notebook helps nobody. In this lesson it becomes a service: it is trained in a way that can be
# looked up later, kept in a registry, answers over HTTP, is exchanged while people ask, and raises an alarm when
# the world no longer looks as it did in training.
#
# After this lesson you will be able to
#
# - log training runs on an MLflow server, compare them, and register the best models under an alias;
# - serve a model with MLflow, and with a FastAPI service of your own, and call both;
# - exchange the model of a running service without losing a request, and take the exchange back;
# - watch a service with Prometheus metrics, and say when and why a drift alarm rises;
# - say why a model file from somewhere else may be a program, and what to load instead.
#
# **Time:** about 45 minutes to read; the cells run in less than two minutes. **Memory:** under 1.5 GB, all servers
# included.
#
# ## Who trusts whom with what
#
# | | who trains | the tracking server | the service | who asks |
# |---|---|---|---|---|
# | has | the training data | runs, models, aliases | the champion, the newest 200 questions | their own wines |
# | sees | all of it | parameters, errors, two example rows, the distribution of each measurement | every question and answer, in the clear | the answers, the model's version |
# | is trusted | to be honest about the errors | not to exchange a model for another one | not to keep or pass on the questions | with nothing |
#
# Nothing is encrypted here. Whoever runs the service reads every question, and whoever may write to the tracking server
# decides what everybody is answered. The rest of the course is about doing with less trust than that.

# %% tags=["imports"]
import os
import sys
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory

# MLflow reports how it is used unless it is told not to; the other settings keep the notebook quiet.
os.environ |= {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_LOGGING_LEVEL": "ERROR"}
os.environ |= {"MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true"}
os.environ |= {"MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false"}

import mlflow
import numpy as np
from mlflow.models import infer_signature
from sklearn.model_selection import KFold, cross_val_predict
from tqdm import tqdm

from course_lib.exercises import check
from course_lib.figures import show
from course_lib.i18n import _
from course_lib.serving import pictures
from course_lib.serving.reference import Reference
from course_lib.serving.runs import REQUIREMENTS, elastic_net, errors, split_wines, support_vectors
from course_lib.serving.tracking import start_tracking_server

# %% [markdown]
# ## The parts
#
# Four programs take part, each in a process of its own. Only two things go from one to the next without anybody asking:
# the service fetches the model that is called champion, and Prometheus fetches the service's metrics.

# %%
show(
    pictures.draw_parts(),
    alt=_(
        "Training sends runs and models to the tracking server; the service takes the champion from it, answers people, and shows its metrics to Prometheus."
    ),
)

# %% [markdown]
# ## By hand: how wrong is a model?
#
# Our model reads eleven laboratory measurements of a red wine and predicts the quality that tasters gave it, from 3 to 8.
# Say the tasters gave 5, 6, 7, 6, and a model predicts 5, 6, 6, 6. It is wrong once, by one point.
#
# - **MAE**, the mean absolute error: $(0 + 0 + 1 + 0) / 4 = 0.25$.
# - **RMSE**, the root of the mean squared error: $\sqrt{(0 + 0 + 1 + 0) / 4} = 0.5$. Large errors weigh more.
# - **R²**, the share of the variance that is explained: compare with someone who always answers the mean, 6. Their
#   squared errors add up to $1 + 0 + 1 + 0 = 2$, the model's to 1. So $R^2 = 1 - 1/2 = 0.5$.
#
# ### Exercise 1
#
# Write R². `y` and `predicted` are arrays of equal length.


# %% tags=["exercise"]
def r_squared(y, predicted):
    ### BEGIN SOLUTION
    return 1 - ((y - predicted) ** 2).sum() / ((y - y.mean()) ** 2).sum()
    ### END SOLUTION


check("serve_models.r_squared", r_squared)

# %% [markdown]
# ## A tracking server
#
# Next month somebody will ask: *which data, which parameters, which version of scikit-learn was that?* A **tracking server**
# keeps the answer. We start MLflow's own, with its runs in SQLite and its files in a folder. The first line that is printed is what you
# would type in a terminal, the second the address of MLflow's own pages: open it, and look again after each step. (The
# start takes ten seconds or more: a new database is built.)
#
# Then the wines. 240 of the 1,599 rows repeat an earlier one. We take the copies out *before* we split: with one copy on
# each side, the test would reward a model for its memory. 1,087 wines are for training, and 272 are put away for one
# last look.

# %% tags=["nbval-ignore-output", "reason:machine"]
tracking = start_tracking_server()
mlflow.set_tracking_uri(tracking.uri)
experiment = mlflow.set_experiment("/wine")
print(tracking.command)
print(tracking.page(experiment.experiment_id))

# %% [markdown]
# ## A run
#
# A **run** is one training: its parameters, its errors, its model. The errors come from five-fold cross-validation:
# five times, four fifths of the training wines fit a model, and the last fifth is predicted. The model that we keep is
# then fitted to all training wines. With it we store
#
# - its **signature**: the names and types of the columns that it needs, so that a server can refuse others;
# - an **input example**, with which anybody can try it;
# - its **requirements**, exact versions. MLflow would find them out by itself, but that takes it many seconds for each run;
# - a **reference**: how each measurement is distributed among the training wines. We need it for the alarm.


# %%
def log_run(model, wines, reference):
    with mlflow.start_run(), TemporaryDirectory() as folder:
        mlflow.log_params({"family": type(model[-1]).__name__, **model[-1].get_params()})
        folds = KFold(5, shuffle=True, random_state=0)
        predicted = cross_val_predict(model, wines.x_train, wines.y_train, cv=folds)
        mlflow.log_metrics(errors(wines.y_train, predicted))
        model.fit(wines.x_train, wines.y_train)
        reference_file = Path(folder, "reference.json")
        reference_file.write_text(reference.to_json(), encoding="utf-8")
        logged = mlflow.sklearn.log_model(
            model,
            name="model",
            serialization_format="skops",
            signature=infer_signature(wines.x_train, predicted),
            input_example=wines.x_train.head(2),
            pip_requirements=REQUIREMENTS,
            extra_files=[str(reference_file)],
        )
        mlflow.set_tag("model_uri", logged.model_uri)
    return logged.model_uri


# %% [markdown]
# The first family is the **elastic net**: a weighted sum of the eleven measurements, which is punished for large weights.
# `alpha` says how hard. `l1_ratio` says how: near 0 all weights shrink a little, near 1 some become exactly zero. Which values are
# good? We try 25 pairs, and log a run for each.

# %% tags=["nbval-ignore-output", "reason:progress"]
wines = split_wines()
reference = Reference.from_frame(wines.x_train)
pairs = list(product((0.003, 0.01, 0.03, 0.1, 0.3), (0.1, 0.3, 0.5, 0.7, 0.9)))
for alpha, l1_ratio in tqdm(pairs, desc=_("runs"), file=sys.stdout):
    log_run(elastic_net(alpha=alpha, l1_ratio=l1_ratio), wines, reference)

# %% [markdown]
# Now we ask the server. What you see below is drawn from its answer, not from our variables; a colleague on another
# machine would see the same. On MLflow's page you find it under *Compare*, as a contour plot.
#
# The picture is flat on the left. Eleven weights for 1,087 wines need little restraint, and where `alpha` is small,
# `l1_ratio` hardly matters. Too much of it, on the right and above all at the top, costs accuracy: there, most weights are zero.

# %%
runs = mlflow.search_runs(experiment_names=["/wine"], order_by=["metrics.rmse ASC"])
grid = runs.astype({"params.alpha": float, "params.l1_ratio": float})
show(
    pictures.draw_grid(grid),
    alt=_(
        "The error over alpha and l1_ratio: flat on the left, high at the top right; a star marks the best run."
    ),
)
columns = ["params.alpha", "params.l1_ratio", "metrics.rmse", "metrics.mae", "metrics.r2"]
print(len(grid))
print(grid[columns].round(3).iloc[[0, -1]].to_string(index=False))

# %% [markdown]
# Always answering the mean would have an RMSE of 0.818. So the best elastic net explains a third of the variance: taste is
# more than eleven measurements, and tasters differ.
#
# ## A second family
#
# A weighted sum can't say that *a little* sulphate is good and much is not. **Support vector regression** (SVR) can: it predicts
# a wine from the training wines that resemble it. `gamma` says how alike two wines must be to count. We log three runs more,
# ask for the best of each family, and only now look at the 272 test wines.

# %%
for gamma in (0.01, 0.03, 0.1):
    log_run(support_vectors(gamma=gamma), wines, reference)

runs = mlflow.search_runs(experiment_names=["/wine"], order_by=["metrics.rmse ASC"])
best = runs.drop_duplicates("params.family").set_index("params.family")
for family, model_uri in best["tags.model_uri"].items():
    model = mlflow.pyfunc.load_model(model_uri)
    best.loc[family, "test"] = errors(wines.y_test, model.predict(wines.x_test))["rmse"]
print(best[["metrics.rmse", "metrics.mae", "metrics.r2", "test"]].round(3).to_string())

# %% [markdown]
# SVR is better in cross-validation and on the test wines, and not by much: an RMSE of 0.660 against 0.669, and of 0.63 against
# 0.65. That is what real comparisons look like. Had we looked at the test wines for each of the 28 runs and taken the
# best, its error there would be too good to be true.
#
# ## The registry
#
# The **model registry** gives models a name and counts their versions. An **alias** is a name that points to one version and can be
# moved. Services ask for `wine@champion`, never for a number: so moving the alias is the rollout, and moving it
# back is the rollback. The elastic net becomes champion first; SVR waits as challenger.

# %%
client = mlflow.MlflowClient()
client.create_registered_model("wine")
for family, alias in {"ElasticNet": "champion", "SVR": "challenger"}.items():
    version = client.create_model_version("wine", source=best.loc[family, "tags.model_uri"])
    client.set_registered_model_alias("wine", alias, version.version)

print(client.get_registered_model("wine").aliases)

# %% [markdown]
# ## Why a model file may be a program
#
# The usual file for a scikit-learn model is a **pickle**. A pickle is not data: it is a list of calls that Python makes when it
# loads the file. The first lines below load one. Nobody calls `print`, and yet it is called; it could as well have been a call
# that sends your files away. So a pickle from somebody else is never loaded, and "the model registry" is somebody else for a service.
#
# **skops** is a format for scikit-learn's models that builds only types which it knows to be harmless. It refuses everything else before anything runs,
# even a random forest: the trees of a forest are stored as indices into memory that nobody checks, and a forged
# one could crash the process. That is why our second family is not a forest.
#
# One trap is left. skops lets you name types that you trust all the same, and MLflow stores that list *in the model's folder*, in the file
# `MLmodel`: whoever forges the model writes the list. Our service never reads it.

# %%
import pickle

import skops.io
from sklearn.ensemble import RandomForestRegressor


class Surprise:
    def __reduce__(self):
        return print, (_("This line was printed because a file was loaded."),)


pickle.loads(pickle.dumps(Surprise()))

forest = RandomForestRegressor(n_estimators=2).fit(wines.x_train, wines.y_train)
for suspicious in (Surprise(), forest):
    content = skops.io.dumps(suspicious)
    try:
        skops.io.loads(content, trusted=[])
    except skops.io.exceptions.UntrustedTypesFoundException:
        print(_("refused:"), *skops.io.get_untrusted_types(data=content))

# %% [markdown]
# ### Exercise 2
#
# Write the rule for a service. `flavor` is the entry `sklearn` of an `MLmodel` file, a dict. Return `True` if the model may be loaded: it
# is in the format `skops`, and asks to trust nothing. Where an entry is missing, MLflow assumes the worst, and so should you.


# %% tags=["exercise"]
def harmless(flavor):
    ### BEGIN SOLUTION
    is_skops = flavor.get("serialization_format") == "skops"
    return is_skops and not flavor.get("skops_trusted_types")
    ### END SOLUTION


check("serve_models.harmless", harmless)

# %% [markdown]
# ## Served by MLflow
#
# `mlflow models serve` makes a web service of a registered model with one command. It answers at `/invocations`. The wines come as
# `dataframe_split`: the columns' names once, then a list of values for each wine. We ask with `curl` first, as you would in a
# terminal, then from Python.

# %% tags=["nbval-ignore-output", "reason:machine"]
import json
import shlex
import subprocess

from course_lib.serving.model_server import serve_with_mlflow

mlflow_server = serve_with_mlflow(tracking.uri, alias="champion")
print(mlflow_server.command)

question = {"dataframe_split": wines.x_test.head(2).to_dict(orient="split", index=False)}
address = mlflow_server.url + "/invocations"
curl = ["curl", "--silent", "--json", json.dumps(question), address]
print(shlex.join(curl))
print(subprocess.run(curl, capture_output=True, text=True, check=True).stdout)

# %% [markdown]
# ### Exercise 3
#
# Write the body of such a request. `wines` is a list of dicts that all have the same keys, but not always in the same order.


# %% tags=["exercise"]
def invocation(wines):
    ### BEGIN SOLUTION
    columns = list(wines[0])
    rows = [[wine[name] for name in columns] for wine in wines]
    return {"dataframe_split": {"columns": columns, "data": rows}}
    ### END SOLUTION


check("serve_models.invocation", invocation)

# %% [markdown]
# What does this server check? The signature: columns that are missing and values that are no numbers are refused. But *any* number will do.
# The last wine below has minus fifty of everything, alcohol too, and gets an answer as calm as the others. Nobody notices,
# since the server keeps no record of what it was asked either.

# %%
import httpx


def ask_mlflow(table):
    question = {"dataframe_split": table.to_dict(orient="split", index=False)}
    return httpx.post(address, json=question, trust_env=False)


one = wines.x_test.head(1)
for table in (one, one.drop(columns="pH"), one * 0 - 50):
    answer = ask_mlflow(table)
    print(answer.status_code, np.round(answer.json().get("predictions", []), 2))
