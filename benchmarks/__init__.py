"""Long measurements that anyone can repeat: ``python -m benchmarks NAME``. Comparisons are in ``hcc-scope bench``."""
