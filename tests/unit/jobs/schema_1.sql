-- A database as Rushes 0.1 wrote it (schema 1), with a waiting, a running and a finished job and a key in it.
-- Both databases read this text. It is never changed: whoever has such a database must be able to go on with it.
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
    PRIMARY KEY (id)
);
CREATE INDEX jobs_of_owner ON jobs (owner, id);
CREATE INDEX jobs_running ON jobs (id) WHERE state = 'running';
CREATE INDEX jobs_waiting ON jobs (model, priority, queued_at) WHERE state = 'queued';
CREATE TABLE api_keys (
    digest TEXT NOT NULL,
    owner TEXT NOT NULL,
    created_at DOUBLE PRECISION NOT NULL,
    PRIMARY KEY (digest)
);
CREATE TABLE schema_version (
    version INTEGER NOT NULL
);
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
INSERT INTO schema_version (version) VALUES (1);
