-- A database as Rushes 0.1 wrote it between two releases (schema 2): the jobs of schema 1, and one that is paused behind
-- a checkpoint, with an idempotency key and a webhook. Both databases read this text. It is never changed: whoever has such
-- a database must be able to go on with it.
CREATE TABLE api_keys (
    digest TEXT NOT NULL,
    owner TEXT NOT NULL,
    created_at DOUBLE PRECISION NOT NULL,
    PRIMARY KEY (digest)
);
CREATE TABLE deliveries (
    id TEXT NOT NULL,
    job TEXT NOT NULL,
    owner TEXT NOT NULL,
    url TEXT NOT NULL,
    endpoint TEXT NOT NULL,
    event TEXT NOT NULL,
    body JSON NOT NULL,
    attempt INTEGER NOT NULL,
    next_at DOUBLE PRECISION NOT NULL,
    token TEXT,
    lease_until DOUBLE PRECISION,
    state TEXT NOT NULL,
    last_status INTEGER,
    created_at DOUBLE PRECISION NOT NULL,
    finished_at DOUBLE PRECISION,
    PRIMARY KEY (id)
);
CREATE INDEX deliveries_due ON deliveries (next_at) WHERE state = 'pending';
CREATE INDEX ix_deliveries_job ON deliveries (job);
CREATE TABLE jobs (
    id TEXT NOT NULL,
    owner TEXT NOT NULL,
    model TEXT NOT NULL,
    request JSON NOT NULL,
    request_hash TEXT NOT NULL,
    secret TEXT NOT NULL,
    priority INTEGER NOT NULL,
    queued_at DOUBLE PRECISION NOT NULL,
    state TEXT NOT NULL,
    cancel_at DOUBLE PRECISION,
    attempt INTEGER NOT NULL,
    token TEXT,
    crashes INTEGER NOT NULL,
    worker TEXT,
    lease_until DOUBLE PRECISION,
    stage TEXT NOT NULL,
    step INTEGER NOT NULL,
    steps INTEGER NOT NULL,
    progress DOUBLE PRECISION NOT NULL,
    event_seq INTEGER NOT NULL,
    artifact JSON,
    error JSON,
    created_at DOUBLE PRECISION NOT NULL,
    started_at DOUBLE PRECISION,
    finished_at DOUBLE PRECISION,
    held BOOLEAN DEFAULT false NOT NULL,
    checkpoint JSON,
    claimed_at DOUBLE PRECISION,
    resumed BOOLEAN DEFAULT false NOT NULL,
    webhook TEXT,
    reuse_of TEXT,
    asked_model TEXT,
    PRIMARY KEY (id)
);
CREATE INDEX jobs_claimed_of_owner ON jobs (owner, claimed_at) WHERE claimed_at IS NOT NULL;
CREATE INDEX jobs_ended ON jobs (finished_at);
CREATE INDEX jobs_made ON jobs (request_hash, owner) WHERE state = 'succeeded';
CREATE INDEX jobs_made_by ON jobs (model, finished_at) WHERE state = 'succeeded';
CREATE INDEX jobs_of_owner ON jobs (owner, id);
CREATE INDEX jobs_running ON jobs (id) WHERE state = 'running';
CREATE INDEX jobs_running_of_owner ON jobs (owner, id) WHERE state = 'running';
CREATE INDEX jobs_waiting ON jobs (model, priority, queued_at) WHERE state = 'queued';
CREATE INDEX jobs_waiting_in_order ON jobs (priority, queued_at, id, held, owner, state) WHERE state = 'queued';
CREATE INDEX jobs_waiting_of_owner ON jobs (owner, model, held, priority, queued_at, id) WHERE state = 'queued';
CREATE TABLE schema_version (
    version INTEGER NOT NULL
);
CREATE TABLE usage (
    job TEXT NOT NULL,
    owner TEXT NOT NULL,
    seconds DOUBLE PRECISION NOT NULL,
    at DOUBLE PRECISION NOT NULL,
    PRIMARY KEY (job)
);
CREATE INDEX usage_of_owner ON usage (owner, at);
CREATE TABLE webhook_secrets (
    owner TEXT NOT NULL,
    secret TEXT NOT NULL,
    previous TEXT,
    previous_until DOUBLE PRECISION,
    PRIMARY KEY (owner)
);
CREATE TABLE idempotency (
    owner TEXT NOT NULL,
    key TEXT NOT NULL,
    job TEXT NOT NULL,
    body_hash TEXT NOT NULL,
    at DOUBLE PRECISION NOT NULL,
    PRIMARY KEY (owner, key),
    FOREIGN KEY(job) REFERENCES jobs (id) ON DELETE CASCADE
);
CREATE INDEX ix_idempotency_job ON idempotency (job);
CREATE TABLE job_events (
    job TEXT NOT NULL,
    seq INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    type TEXT NOT NULL,
    data JSON NOT NULL,
    at DOUBLE PRECISION NOT NULL,
    PRIMARY KEY (job, seq),
    FOREIGN KEY(job) REFERENCES jobs (id) ON DELETE CASCADE
);
CREATE TABLE job_inputs (
    job TEXT NOT NULL,
    key TEXT NOT NULL,
    PRIMARY KEY (job, key),
    FOREIGN KEY(job) REFERENCES jobs (id) ON DELETE CASCADE
);
CREATE INDEX ix_job_inputs_key ON job_inputs (key);
INSERT INTO jobs (id, owner, model, request, request_hash, secret, priority, queued_at, state, attempt, token, crashes, worker, lease_until, stage, step, steps, progress, event_seq, artifact, created_at, started_at, finished_at) VALUES
('01900000-0000-7000-8000-000000000001', 'ann', 'test/model', '{"model": "test/model", "made_by": "test/model", "revision": "1", "prompt": "a red ball bounces", "negative_prompt": "", "width": 64, "height": 64, "seconds": 1.0, "fps": 15, "num_frames": 15, "steps": 10, "guidance_scale": 4.0, "seed": 7, "output_format": "MP4", "output_quality": 20, "generate_audio": false, "media": {"frame_images": [], "frame_videos": [], "reference_images": [], "reference_videos": [], "source_video": null, "audio_inputs": []}, "metadata": {}, "notes": []}', '1111111111111111111111111111111111111111111111111111111111111111', 'secret1', 0, 1000.0, 'succeeded', 1, NULL, 0, 'w0', NULL, 'done', 10, 10, 1.0, 4, '{"key": "clip.mp4", "content_type": "video/mp4", "size_bytes": 1234, "sha256": "abababababababababababababababababababababababababababababababab", "width": 64, "height": 64, "fps": 15, "num_frames": 15, "has_audio": false, "native": {"width": 32, "height": 32, "fps": 8.0, "num_frames": 8}}', 1000.0, 1001.0, 1009.0),
('01900000-0000-7000-8000-000000000002', 'ann', 'test/model', '{"model": "test/model", "made_by": "test/model", "revision": "1", "prompt": "a red ball bounces", "negative_prompt": "", "width": 64, "height": 64, "seconds": 1.0, "fps": 15, "num_frames": 15, "steps": 10, "guidance_scale": 4.0, "seed": 7, "output_format": "MP4", "output_quality": 20, "generate_audio": false, "media": {"frame_images": [], "frame_videos": [], "reference_images": [], "reference_videos": [], "source_video": null, "audio_inputs": []}, "metadata": {}, "notes": []}', '1111111111111111111111111111111111111111111111111111111111111111', 'secret2', 0, 1002.0, 'running', 1, 'token-of-w1', 0, 'w1', 4102444800.0, 'denoising', 4, 10, 0.4, 3, NULL, 1002.0, 1003.0, NULL),
('01900000-0000-7000-8000-000000000003', 'bob', 'test/model', '{"model": "test/model", "made_by": "test/model", "revision": "1", "prompt": "a red ball bounces", "negative_prompt": "", "width": 64, "height": 64, "seconds": 1.0, "fps": 15, "num_frames": 15, "steps": 10, "guidance_scale": 4.0, "seed": 7, "output_format": "MP4", "output_quality": 20, "generate_audio": false, "media": {"frame_images": [], "frame_videos": [], "reference_images": [], "reference_videos": [], "source_video": null, "audio_inputs": []}, "metadata": {}, "notes": []}', '1111111111111111111111111111111111111111111111111111111111111111', 'secret3', 0, 1004.0, 'queued', 0, NULL, 0, NULL, NULL, 'queued', 0, 0, 0.0, 1, NULL, 1004.0, NULL, NULL);
INSERT INTO job_events (job, seq, attempt, type, data, at) VALUES
('01900000-0000-7000-8000-000000000001', 1, 0, 'queued', '{}', 1000.0),
('01900000-0000-7000-8000-000000000001', 2, 1, 'running', '{"worker": "w0"}', 1001.0),
('01900000-0000-7000-8000-000000000001', 3, 1, 'progress', '{"stage": "denoising", "step": 10, "steps": 10, "progress": 0.8}', 1008.0),
('01900000-0000-7000-8000-000000000001', 4, 1, 'succeeded', '{"key": "clip.mp4", "content_type": "video/mp4", "size_bytes": 1234, "sha256": "abababababababababababababababababababababababababababababababab", "width": 64, "height": 64, "fps": 15, "num_frames": 15, "has_audio": false, "native": {"width": 32, "height": 32, "fps": 8.0, "num_frames": 8}}', 1009.0),
('01900000-0000-7000-8000-000000000002', 1, 0, 'queued', '{}', 1002.0),
('01900000-0000-7000-8000-000000000002', 2, 1, 'running', '{"worker": "w1"}', 1003.0),
('01900000-0000-7000-8000-000000000002', 3, 1, 'progress', '{"stage": "denoising", "step": 4, "steps": 10, "progress": 0.4}', 1004.0),
('01900000-0000-7000-8000-000000000003', 1, 0, 'queued', '{}', 1004.0);
INSERT INTO api_keys (digest, owner, created_at) VALUES ('digest-of-ann', 'ann', 999.0);
INSERT INTO schema_version (version) VALUES (2);
INSERT INTO jobs (id, owner, model, request, request_hash, secret, priority, queued_at, state, attempt, crashes, stage, step, steps, progress, event_seq, created_at, started_at, claimed_at, held, checkpoint, webhook)
SELECT '01900000-0000-7000-8000-000000000004', 'ann', model, request, request_hash, 'secret of the fourth', 0, 1005.0, 'queued', 1, 0, 'queued', 6, 10, 0.5, 4, 1005.0, 1006.0, 1006.0, true, '{"key": "4.1-6", "step": 6, "format": "f", "sha256": "cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd"}', 'https://example.org/hook' FROM jobs WHERE state = 'queued';
INSERT INTO job_events (job, seq, attempt, type, data, at) VALUES
('01900000-0000-7000-8000-000000000004', 1, 0, 'queued', '{}', 1005.0),
('01900000-0000-7000-8000-000000000004', 2, 1, 'running', '{"worker": "w0"}', 1006.0),
('01900000-0000-7000-8000-000000000004', 3, 1, 'pause_requested', '{}', 1007.0),
('01900000-0000-7000-8000-000000000004', 4, 1, 'released', '{}', 1008.0);
INSERT INTO idempotency (owner, key, job, body_hash, at) VALUES ('ann', 'the fourth', '01900000-0000-7000-8000-000000000004', 'hash of its body', 4000000000.0);
INSERT INTO usage (job, owner, seconds, at) VALUES ('01900000-0000-7000-8000-000000000004', 'ann', 1.0, 1005.0);
