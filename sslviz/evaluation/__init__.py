"""How representations are judged: encoding, probes, baselines, maps."""
