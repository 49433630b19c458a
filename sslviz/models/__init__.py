"""The methods: one file each, a frozen config dataclass and an nn.Module."""
