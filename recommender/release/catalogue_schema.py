"""Define the tables of a release's catalogue, `catalogue.db`.

`index.release.catalogue_writer` fills them. `recommender.release.catalogue` reads them.
"""

from recommender.types import FIELDS

COLUMNS = "".join(f"    {field.name} {field.column},\n" for field in FIELDS if field.name != "text")

SCHEMA = f"""
CREATE TABLE article (           -- see recommender/types.py
    row INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
{COLUMNS}\
    url_key TEXT,                -- see recommender/text/urls.py
    canonical INTEGER,           -- row of the article that stands for it in lists, where it is a near-duplicate
    text TEXT NOT NULL           -- last: what stands behind a long text is slow to read
);
CREATE INDEX article_url ON article (url_key) WHERE url_key IS NOT NULL;
CREATE INDEX article_canonical ON article (canonical) WHERE canonical IS NOT NULL;
CREATE INDEX article_published ON article (published);
CREATE TABLE section (           -- numbers that facts.npy calls sections by
    number INTEGER PRIMARY KEY,
    name TEXT NOT NULL
);
CREATE TABLE named (             -- the editors' lists as the sources give them: ids, URLs, titles
    article INTEGER NOT NULL,
    position INTEGER NOT NULL,
    name TEXT NOT NULL,
    PRIMARY KEY (article, position)
) WITHOUT ROWID;
CREATE TABLE read_more (         -- those of them that are articles of the archive
    article INTEGER NOT NULL,
    position INTEGER NOT NULL,
    target INTEGER NOT NULL,
    PRIMARY KEY (article, position)
) WITHOUT ROWID;
"""
