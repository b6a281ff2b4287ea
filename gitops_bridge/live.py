"""What runs, and the answer judged from desired and live state together; `bridge` asks.

What cannot be seen is not claimed: without a cluster to look at, a deployment is never called
ready and no model is named as the current one.
"""
