"""From files to checked articles: language, validation, rejects.

`readers` yield records, `html` cleans pages; what cannot be used goes to `rejects.jsonl` with a reason.
"""
