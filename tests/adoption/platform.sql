-- The document's table as its platform has it: the nine columns of the document, others of its own, and neighbours.
CREATE SCHEMA app;
CREATE TABLE app.entity (
    code varchar(50) PRIMARY KEY,
    entity_type varchar(50) NOT NULL,
    label varchar(100) NOT NULL,
    label_plural varchar(100) NOT NULL,
    icon varchar(50) NOT NULL,
    child_entity_codes jsonb DEFAULT '[]'::jsonb,
    active_flag boolean DEFAULT true,
    created_ts timestamptz DEFAULT now(),
    modified_ts timestamptz DEFAULT now(),
    db_table varchar(50),
    column_metadata json
);
COMMENT ON TABLE app.entity IS 'Entity types of the platform';
INSERT INTO app.entity (code, entity_type, label, label_plural, icon, child_entity_codes, db_table, column_metadata,
                        created_ts, modified_ts) VALUES
    ('task', 'task', 'Task', 'Tasks', 'ListTodo', '[]', 'd_task', '{"a": 1}', '2025-01-15 10:30Z', '2025-01-18 14:22Z'),
    ('project', 'project', 'Project', 'Projects', 'FolderKanban', '["task"]', 'd_project', NULL,
     '2025-01-15 10:30Z', '2025-01-18 14:22Z');
CREATE TABLE app.entity_instance (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    entity_code varchar(50) NOT NULL REFERENCES app.entity (code)
);
INSERT INTO app.entity_instance (entity_code) VALUES ('project');
CREATE VIEW app.active_entity AS SELECT * FROM app.entity WHERE active_flag;
CREATE INDEX entity_db_table ON app.entity (db_table);
