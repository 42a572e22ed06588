"""Long measurements that anyone can repeat: ``python -m benchmarks NAME``; `benchmarks.peers` is for ``hcc-scope bench``."""
