"""Private prediction by three parties: question, answer and model are seen by their owners alone.

A model's owner splits its weights into shares among alice, bob and carol, three processes that may run on
three machines. A client splits its question into shares, gives each party its own, and adds up what comes
back. No party sees more than random numbers, as long as all three follow the protocol and no two of them
put together what they see; two that do see everything. `sharing` shows how that can be, by hand.

    import course_lib.mpc as sy

    cluster = sy.TFECluster(sy.TFEWorker(), sy.TFEWorker(), sy.TFEWorker())    # three processes here
    cluster.start()

    hook = sy.KerasHook(tf.keras)      # or leave Keras as it is: shared = sy.share(model, cluster)
    model.share(cluster)
    model.serve()                      # until model.stop(); serve(3) waits for three requests

    client = sy.TFEWorker()
    client.connect_to_model((1, 28, 28, 1), (1, 10), cluster)
    logits = client.query_model(image) # client.costs tells seconds, bytes and messages by party
    cluster.stop()

Another notebook of the same user finds a running cluster by its addresses: give the workers hosts, such as
TFEWorker("localhost:4000"), in both. Beyond one machine, `course mpc certificates` makes what the parties,
the owner and the clients need, and TFEWorker(host, auto_managed=False) says that people start a party where
it runs.

Where to read on: `sharing` (the idea, in NumPy), `engine` (what computes: SecretFlow's SPU, ABY3),
`compilation` (from Keras to a program), `wire` (what travels), `endpoints` and `server` (whom a party
answers), `service` (what it does), `seat` (in which order), `cluster`, `client` and `shared_model` (what you
call), `credentials` and `certificates` (who may), `costs`.

Promises and limits stand in each module. For all: the parties are assumed honest but curious; the
architecture, the shapes, the times and the number of questions are public; answers tell about a model, and
many answers tell a lot.
"""

import warnings

from course_lib.mpc.availability import has_engine, no_engine
from course_lib.mpc.cluster import TFECluster
from course_lib.mpc.keras_hook import KerasHook
from course_lib.mpc.shared_model import SharedModel, share
from course_lib.mpc.worker import TFEWorker

__all__ = ["KerasHook", "SharedModel", "TFECluster", "TFEWorker", "share"]

if not has_engine():
    warnings.warn(no_engine(), stacklevel=2)
