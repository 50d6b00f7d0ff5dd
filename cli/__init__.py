"""The `tes` command: thin verbs over flows, records and the embedded runtime."""
