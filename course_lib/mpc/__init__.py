from course_lib.mpc.cluster import TFECluster
from course_lib.mpc.keras_hook import KerasHook
from course_lib.mpc.shared_model import SharedModel, share
from course_lib.mpc.worker import TFEWorker
