"""The tables of a tracker's database, and how older ones are brought up to date."""

from __future__ import annotations

# A change of the tables raises this; an older file is then brought up to date, a newer one refused.
VERSION = 3
# No number is used twice: clients keep ids, and links to files, of what may have been removed since.
TABLES = """
CREATE TABLE project (
    id INTEGER PRIMARY KEY AUTOINCREMENT, entity TEXT NOT NULL, name TEXT NOT NULL, created_at REAL NOT NULL,
    description TEXT NOT NULL DEFAULT '', settings TEXT NOT NULL DEFAULT '{}', described INTEGER NOT NULL DEFAULT 0,
    UNIQUE (entity, name)
);
CREATE TABLE sweep (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    project INTEGER NOT NULL REFERENCES project ON DELETE CASCADE,
    name TEXT NOT NULL, display_name TEXT, description TEXT,
    config TEXT NOT NULL, state TEXT NOT NULL, controller TEXT, scheduler TEXT, prior TEXT,
    created_at REAL NOT NULL, updated_at REAL NOT NULL,
    UNIQUE (project, name)
);
CREATE TABLE agent (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    sweep INTEGER NOT NULL REFERENCES sweep ON DELETE CASCADE,
    name TEXT NOT NULL, host TEXT, state TEXT NOT NULL, created_at REAL NOT NULL, heartbeat_at REAL NOT NULL
);
CREATE INDEX agent_of ON agent (sweep);
CREATE TABLE trial (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    sweep INTEGER NOT NULL REFERENCES sweep ON DELETE CASCADE,
    agent INTEGER REFERENCES agent ON DELETE SET NULL,
    run_name TEXT NOT NULL, arguments TEXT NOT NULL, display_name TEXT, created_at REAL NOT NULL,
    UNIQUE (sweep, run_name)
);
CREATE TABLE run (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    project INTEGER NOT NULL REFERENCES project ON DELETE CASCADE,
    name TEXT NOT NULL,
    display_name TEXT, description TEXT, notes TEXT, run_group TEXT, job_type TEXT, host TEXT, program TEXT, commit_hash TEXT,
    tags TEXT NOT NULL DEFAULT '[]',
    state TEXT NOT NULL DEFAULT 'running',
    exit_code INTEGER,
    created_at REAL NOT NULL,
    heartbeat_at REAL NOT NULL,
    rows INTEGER NOT NULL DEFAULT 0, lines INTEGER NOT NULL DEFAULT 0,
    sweep INTEGER REFERENCES sweep ON DELETE SET NULL,
    stop INTEGER NOT NULL DEFAULT 0,
    config TEXT NOT NULL DEFAULT '{}',
    summary TEXT NOT NULL DEFAULT '{}',
    UNIQUE (project, name)
);
CREATE INDEX run_of_sweep ON run (sweep) WHERE sweep IS NOT NULL;
CREATE TABLE history (
    run INTEGER NOT NULL REFERENCES run ON DELETE CASCADE, step INTEGER NOT NULL, attempt INTEGER NOT NULL,
    hidden INTEGER NOT NULL, line TEXT NOT NULL,
    PRIMARY KEY (run, step, attempt)
) WITHOUT ROWID;
CREATE TABLE attempt (
    run INTEGER NOT NULL REFERENCES run ON DELETE CASCADE, number INTEGER NOT NULL,
    next INTEGER NOT NULL, last_step INTEGER NOT NULL, last_time REAL NOT NULL,
    hidden_from INTEGER, beside INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (run, number)
) WITHOUT ROWID;
CREATE TABLE overlap (
    run INTEGER NOT NULL REFERENCES run ON DELETE CASCADE, one INTEGER NOT NULL, other INTEGER NOT NULL, step INTEGER NOT NULL,
    older INTEGER,
    PRIMARY KEY (run, one, other)
) WITHOUT ROWID;
CREATE TABLE writer (
    run INTEGER NOT NULL REFERENCES run ON DELETE CASCADE, name TEXT NOT NULL, next INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (run, name)
) WITHOUT ROWID;
CREATE TABLE metric (
    run INTEGER NOT NULL REFERENCES run ON DELETE CASCADE, name TEXT NOT NULL, kind TEXT NOT NULL, rows INTEGER NOT NULL,
    last TEXT,
    PRIMARY KEY (run, name)
) WITHOUT ROWID;
CREATE TABLE line (
    run INTEGER NOT NULL REFERENCES run ON DELETE CASCADE, stream TEXT NOT NULL, number INTEGER NOT NULL, line TEXT NOT NULL,
    PRIMARY KEY (run, stream, number)
) WITHOUT ROWID;
CREATE TABLE sent_line (
    run INTEGER NOT NULL REFERENCES run ON DELETE CASCADE, stream TEXT NOT NULL, writer TEXT NOT NULL, sent INTEGER NOT NULL,
    number INTEGER NOT NULL,
    PRIMARY KEY (run, stream, writer, sent)
) WITHOUT ROWID;
CREATE TABLE collection (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    project INTEGER NOT NULL REFERENCES project ON DELETE CASCADE,
    kind TEXT NOT NULL, name TEXT NOT NULL, created_at REAL NOT NULL,
    description TEXT NOT NULL DEFAULT '', tags TEXT NOT NULL DEFAULT '[]', portfolio INTEGER NOT NULL DEFAULT 0,
    described INTEGER NOT NULL DEFAULT 0,
    UNIQUE (project, name)
);
CREATE TABLE artifact (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    collection INTEGER NOT NULL REFERENCES collection ON DELETE CASCADE,
    run INTEGER REFERENCES run ON DELETE SET NULL,
    client TEXT, version INTEGER, state TEXT NOT NULL, digest TEXT NOT NULL, description TEXT, metadata TEXT, aliases TEXT NOT NULL,
    history_step INTEGER, size INTEGER NOT NULL DEFAULT 0, files INTEGER NOT NULL DEFAULT 0,
    created_at REAL NOT NULL, updated_at REAL NOT NULL,
    tags TEXT NOT NULL DEFAULT '[]', ttl INTEGER, distributed TEXT
);
CREATE TABLE link (
    collection INTEGER NOT NULL REFERENCES collection ON DELETE CASCADE,
    artifact INTEGER NOT NULL REFERENCES artifact ON DELETE CASCADE,
    version INTEGER NOT NULL, created_at REAL NOT NULL,
    PRIMARY KEY (collection, artifact)
) WITHOUT ROWID;
CREATE INDEX link_to ON link (artifact);
CREATE TABLE session (digest TEXT PRIMARY KEY, ends_at REAL NOT NULL) WITHOUT ROWID;
CREATE TABLE verdict (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    project INTEGER NOT NULL REFERENCES project ON DELETE CASCADE,
    digest TEXT NOT NULL, outcome TEXT NOT NULL, text TEXT NOT NULL, created_at REAL NOT NULL,
    UNIQUE (project, digest)
);
CREATE TABLE verdict_of (
    verdict INTEGER NOT NULL REFERENCES verdict ON DELETE CASCADE, run TEXT NOT NULL, PRIMARY KEY (verdict, run)
) WITHOUT ROWID;
CREATE INDEX artifact_of ON artifact (collection, version);
CREATE INDEX artifact_by ON artifact (run);
CREATE TABLE alias (
    collection INTEGER NOT NULL REFERENCES collection ON DELETE CASCADE, name TEXT NOT NULL,
    artifact INTEGER NOT NULL REFERENCES artifact ON DELETE CASCADE, PRIMARY KEY (collection, name)
) WITHOUT ROWID;
CREATE TABLE use (
    run INTEGER NOT NULL REFERENCES run ON DELETE CASCADE, artifact INTEGER NOT NULL REFERENCES artifact ON DELETE CASCADE,
    PRIMARY KEY (run, artifact)
) WITHOUT ROWID;
CREATE TABLE manifest (
    id INTEGER PRIMARY KEY AUTOINCREMENT, artifact INTEGER NOT NULL REFERENCES artifact ON DELETE CASCADE, kind TEXT NOT NULL, digest TEXT,
    base INTEGER
);
CREATE TABLE output (
    run INTEGER NOT NULL REFERENCES run ON DELETE CASCADE, artifact INTEGER NOT NULL REFERENCES artifact ON DELETE CASCADE,
    PRIMARY KEY (run, artifact)
) WITHOUT ROWID;
CREATE TABLE file (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    run INTEGER REFERENCES run ON DELETE CASCADE,
    artifact INTEGER REFERENCES artifact ON DELETE CASCADE,
    manifest INTEGER REFERENCES manifest ON DELETE CASCADE,
    name TEXT NOT NULL,
    expected TEXT,
    content TEXT, size INTEGER, md5 TEXT, updated_at REAL
);
CREATE UNIQUE INDEX file_of_run ON file (run, name) WHERE run IS NOT NULL;
CREATE UNIQUE INDEX file_of_artifact ON file (artifact, name) WHERE artifact IS NOT NULL;
CREATE UNIQUE INDEX file_of_manifest ON file (manifest) WHERE manifest IS NOT NULL;
"""

# What turns the tables of a version into those of the next one; `time_of` gives the time that a row of history says.
UPGRADES = {
    1: """
ALTER TABLE project ADD COLUMN description TEXT NOT NULL DEFAULT '';
ALTER TABLE project ADD COLUMN settings TEXT NOT NULL DEFAULT '{}';
CREATE TABLE sweep (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    project INTEGER NOT NULL REFERENCES project ON DELETE CASCADE,
    name TEXT NOT NULL, display_name TEXT, description TEXT,
    config TEXT NOT NULL, state TEXT NOT NULL, controller TEXT, scheduler TEXT, prior TEXT,
    created_at REAL NOT NULL, updated_at REAL NOT NULL,
    UNIQUE (project, name)
);
CREATE TABLE agent (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    sweep INTEGER NOT NULL REFERENCES sweep ON DELETE CASCADE,
    name TEXT NOT NULL, host TEXT, state TEXT NOT NULL, created_at REAL NOT NULL, heartbeat_at REAL NOT NULL
);
CREATE INDEX agent_of ON agent (sweep);
CREATE TABLE trial (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    sweep INTEGER NOT NULL REFERENCES sweep ON DELETE CASCADE,
    agent INTEGER REFERENCES agent ON DELETE SET NULL,
    run_name TEXT NOT NULL, arguments TEXT NOT NULL, display_name TEXT, created_at REAL NOT NULL,
    UNIQUE (sweep, run_name)
);
ALTER TABLE run ADD COLUMN lines INTEGER NOT NULL DEFAULT 0;
UPDATE run SET lines = rows;
ALTER TABLE run ADD COLUMN sweep INTEGER REFERENCES sweep ON DELETE SET NULL;
ALTER TABLE run ADD COLUMN stop INTEGER NOT NULL DEFAULT 0;
CREATE INDEX run_of_sweep ON run (sweep) WHERE sweep IS NOT NULL;
ALTER TABLE history RENAME TO older_history;
CREATE TABLE history (
    run INTEGER NOT NULL REFERENCES run ON DELETE CASCADE, step INTEGER NOT NULL, attempt INTEGER NOT NULL,
    hidden INTEGER NOT NULL, line TEXT NOT NULL,
    PRIMARY KEY (run, step, attempt)
) WITHOUT ROWID;
INSERT INTO history (run, step, attempt, hidden, line) SELECT run, step, 0, 0, line FROM older_history ORDER BY run, step;
DROP TABLE older_history;
CREATE TABLE attempt (
    run INTEGER NOT NULL REFERENCES run ON DELETE CASCADE, number INTEGER NOT NULL,
    next INTEGER NOT NULL, last_step INTEGER NOT NULL, last_time REAL NOT NULL,
    hidden_from INTEGER, beside INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (run, number)
) WITHOUT ROWID;
CREATE TABLE overlap (
    run INTEGER NOT NULL REFERENCES run ON DELETE CASCADE, one INTEGER NOT NULL, other INTEGER NOT NULL, step INTEGER NOT NULL,
    older INTEGER,
    PRIMARY KEY (run, one, other)
) WITHOUT ROWID;
INSERT INTO attempt (run, number, next, last_step, last_time)
    SELECT run.id, 0, run.rows, history.step, time_of(history.line) FROM run JOIN history ON history.run = run.id
    AND history.step = (SELECT MAX(step) FROM history WHERE run = run.id);
CREATE TABLE writer (
    run INTEGER NOT NULL REFERENCES run ON DELETE CASCADE, name TEXT NOT NULL, next INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (run, name)
) WITHOUT ROWID;
CREATE TABLE sent_line (
    run INTEGER NOT NULL REFERENCES run ON DELETE CASCADE, stream TEXT NOT NULL, writer TEXT NOT NULL, sent INTEGER NOT NULL,
    number INTEGER NOT NULL,
    PRIMARY KEY (run, stream, writer, sent)
) WITHOUT ROWID;
ALTER TABLE metric ADD COLUMN last TEXT;
ALTER TABLE collection ADD COLUMN description TEXT NOT NULL DEFAULT '';
ALTER TABLE collection ADD COLUMN tags TEXT NOT NULL DEFAULT '[]';
ALTER TABLE collection ADD COLUMN portfolio INTEGER NOT NULL DEFAULT 0;
ALTER TABLE artifact ADD COLUMN tags TEXT NOT NULL DEFAULT '[]';
ALTER TABLE artifact ADD COLUMN ttl INTEGER;
ALTER TABLE manifest ADD COLUMN base INTEGER;
CREATE TABLE output (
    run INTEGER NOT NULL REFERENCES run ON DELETE CASCADE, artifact INTEGER NOT NULL REFERENCES artifact ON DELETE CASCADE,
    PRIMARY KEY (run, artifact)
) WITHOUT ROWID;
CREATE TABLE link (
    collection INTEGER NOT NULL REFERENCES collection ON DELETE CASCADE,
    artifact INTEGER NOT NULL REFERENCES artifact ON DELETE CASCADE,
    version INTEGER NOT NULL, created_at REAL NOT NULL,
    PRIMARY KEY (collection, artifact)
) WITHOUT ROWID;
CREATE INDEX link_to ON link (artifact);
CREATE TABLE session (digest TEXT PRIMARY KEY, ends_at REAL NOT NULL) WITHOUT ROWID;
CREATE TABLE verdict (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    project INTEGER NOT NULL REFERENCES project ON DELETE CASCADE,
    digest TEXT NOT NULL, outcome TEXT NOT NULL, text TEXT NOT NULL, created_at REAL NOT NULL,
    UNIQUE (project, digest)
);
CREATE TABLE verdict_of (
    verdict INTEGER NOT NULL REFERENCES verdict ON DELETE CASCADE, run TEXT NOT NULL, PRIMARY KEY (verdict, run)
) WITHOUT ROWID;
""",
    2: """
ALTER TABLE artifact ADD COLUMN distributed TEXT;
ALTER TABLE project ADD COLUMN described INTEGER NOT NULL DEFAULT 0;
ALTER TABLE collection ADD COLUMN described INTEGER NOT NULL DEFAULT 0;
UPDATE project SET described = 1 WHERE description != '';
UPDATE collection SET described = 1 WHERE description != '';
""",
}
