-- What happened in lessons. Times: `*_at` milliseconds since 1970 by the wall clock, for people;
-- `*_ms` milliseconds on the lesson's own monotonic clock, for durations.

CREATE TABLE lessons (
    run        TEXT PRIMARY KEY,     -- one lesson that was held; `lesson` may be held again
    lesson     TEXT NOT NULL,
    title      TEXT NOT NULL,
    state      TEXT NOT NULL,        -- scheduled, live, ended, abandoned
    opened_at  INTEGER NOT NULL,
    started_at INTEGER,
    started_ms INTEGER,
    ended_at   INTEGER,
    ended_ms   INTEGER,
    ran_ms     INTEGER NOT NULL,     -- how long it has been live
    seen_at    INTEGER NOT NULL,     -- when the lesson last said that it runs; open intervals reach to here
    seen_ms    INTEGER NOT NULL
) STRICT;
CREATE INDEX lessons_by_lesson ON lessons (lesson, opened_at);

CREATE TABLE participants (
    run  TEXT NOT NULL,
    sub  TEXT NOT NULL,
    role TEXT NOT NULL,
    name TEXT NOT NULL,
    PRIMARY KEY (run, sub)
) STRICT, WITHOUT ROWID;

CREATE TABLE attendance (
    id        TEXT PRIMARY KEY,
    run       TEXT NOT NULL,
    sub       TEXT NOT NULL,
    opened_at INTEGER NOT NULL,
    opened_ms INTEGER NOT NULL,
    closed_at INTEGER,               -- NULL while it is open
    closed_ms INTEGER,
    ended     TEXT                   -- left, lost, kicked, lesson, server
) STRICT, WITHOUT ROWID;
CREATE INDEX attendance_by_run ON attendance (run, opened_ms);

CREATE TABLE events (
    id     TEXT PRIMARY KEY,
    run    TEXT NOT NULL,
    at     INTEGER NOT NULL,
    ms     INTEGER NOT NULL,
    kind   TEXT NOT NULL,            -- start, end, abandon, join, leave, kick, mute, unmute, lead, call_on,
                                     -- release_floor, raise_hand, mode, hand_over_lead, trouble, headcount
    sub    TEXT,
    by     TEXT,
    detail TEXT
) STRICT, WITHOUT ROWID;
CREATE INDEX events_by_run ON events (run, ms);

-- How far each segment of the journal has been taken over; changes in the same transaction as the rest.
CREATE TABLE journal (
    segment TEXT PRIMARY KEY,
    records INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
