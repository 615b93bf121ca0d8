"""Turn files into validated articles: language, validation, rejects.

`readers` yield records, and `html` cleans pages. Unusable records are written to `rejects.jsonl` with a reason.
"""
