-- The tables of version 1, for the test that brings them up to date.
CREATE TABLE project (
    id INTEGER PRIMARY KEY AUTOINCREMENT, entity TEXT NOT NULL, name TEXT NOT NULL, created_at REAL NOT NULL, UNIQUE (entity, name)
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
    rows INTEGER NOT NULL DEFAULT 0,
    config TEXT NOT NULL DEFAULT '{}',
    summary TEXT NOT NULL DEFAULT '{}',
    UNIQUE (project, name)
);
CREATE TABLE history (
    run INTEGER NOT NULL REFERENCES run ON DELETE CASCADE, step INTEGER NOT NULL, line TEXT NOT NULL, PRIMARY KEY (run, step)
) WITHOUT ROWID;
CREATE TABLE metric (
    run INTEGER NOT NULL REFERENCES run ON DELETE CASCADE, name TEXT NOT NULL, kind TEXT NOT NULL, rows INTEGER NOT NULL,
    PRIMARY KEY (run, name)
) WITHOUT ROWID;
CREATE TABLE line (
    run INTEGER NOT NULL REFERENCES run ON DELETE CASCADE, stream TEXT NOT NULL, number INTEGER NOT NULL, line TEXT NOT NULL,
    PRIMARY KEY (run, stream, number)
) WITHOUT ROWID;
CREATE TABLE collection (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    project INTEGER NOT NULL REFERENCES project ON DELETE CASCADE,
    kind TEXT NOT NULL, name TEXT NOT NULL, created_at REAL NOT NULL,
    UNIQUE (project, name)
);
CREATE TABLE artifact (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    collection INTEGER NOT NULL REFERENCES collection ON DELETE CASCADE,
    run INTEGER REFERENCES run ON DELETE SET NULL,
    client TEXT, version INTEGER, state TEXT NOT NULL, digest TEXT NOT NULL, description TEXT, metadata TEXT, aliases TEXT NOT NULL,
    history_step INTEGER, size INTEGER NOT NULL DEFAULT 0, files INTEGER NOT NULL DEFAULT 0,
    created_at REAL NOT NULL, updated_at REAL NOT NULL
);
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
    id INTEGER PRIMARY KEY AUTOINCREMENT, artifact INTEGER NOT NULL REFERENCES artifact ON DELETE CASCADE, kind TEXT NOT NULL, digest TEXT
);
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
