"""Measurements that anyone can repeat: ``python -m benchmarks`` runs the short ones, ``... NAME`` any of them."""
